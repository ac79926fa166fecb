#include "launcher/cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

mode_t mode_of(const std::string& text) {
  const bool octal =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  const unsigned long mode = octal ? std::stoul(text, nullptr, 8) : 0;
  if (!octal || mode > 0777 || (mode & 0600) != 0600) {
    throw Error(Status::kFailed, "\"" + base::printable(text) + "\" is no mode for the file",
                "write it in octal, the owner may read and write: 0600, 0640");
  }
  return static_cast<mode_t>(mode);
}

}  // namespace

void Output::add_options(po::options_description& options) {
  options.add_options()("out-file,o", po::value(&file_)->value_name("FILE"),
                        "write here instead of standard output")(
      "file-mode", po::value(&mode_)->value_name("MODE"), "of that file (default: 0600)")(
      "force,f", po::bool_switch(&force_), "replace the file if it exists");
}

void Output::check() const {
  mode_of(mode_);
  struct stat status = {};
  if (file_.empty() || ::lstat(file_.c_str(), &status) != 0) {
    return;
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(Status::kFailed, base::printable(file_) + " is no regular file",
                "name another with --out-file");
  }
  if (!force_) {
    throw Error(Status::kFailed, base::printable(file_) + " exists",
                "--force replaces it, or name another with --out-file");
  }
}

void Output::write(const resolver::Secret& text) const {
  if (file_.empty()) {
    base::write_all(STDOUT_FILENO, text.reveal());
    return;
  }
  const std::size_t slash = file_.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : file_.substr(0, slash + 1);
  const base::UniqueFd opened = base::open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  base::replace_file(opened.get(), file_.substr(slash + 1), text.reveal(), mode_of(mode_));
}

}  // namespace agentbox::cli
