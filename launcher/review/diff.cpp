#include "launcher/review/diff.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/review/files.h"

namespace agentbox::review {
namespace {

using base::check;
using base::UniqueFd;

// Where diff(1) finds its two files; the numbers above are free in the child.
constexpr int kOld = 3, kNew = 4;
constexpr std::size_t kMostLine = 8 << 10;  // bytes; minified files have lines of megabytes

std::string safe(std::string_view text) {
  std::string result;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t tab = std::min(text.find('\t', begin), text.size());
    result += base::printable(text.substr(begin, tab - begin));
    if (tab < text.size()) {
      result += '\t';
    }
    begin = tab + 1;
  }
  return result;
}

UniqueFd empty_file() { return base::open_at(AT_FDCWD, "/dev/null", O_RDONLY); }

UniqueFd open_side(int root, const std::string& path, mode_t mode) {
  if (!S_ISREG(mode)) {
    return empty_file();
  }
  UniqueFd fd = open_below(root, path, O_RDONLY | O_NONBLOCK);
  check(fd.get(), "open", base::printable(path));
  return fd;
}

class Actions {
 public:
  Actions() { ::posix_spawn_file_actions_init(&actions_); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  void place(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Above the numbers that the child's files get, so that none of them is overwritten on the way.
UniqueFd lift(UniqueFd fd) {
  UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 10));
  check(high.get(), "duplicate", "a descriptor");
  return high;
}

void text_diff(UniqueFd old_file, UniqueFd new_file, const std::string& old_label,
               const std::string& new_label,
               const std::function<void(const std::string& line)>& line) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "make", "a pipe");
  const UniqueFd output(ends[0]);
  UniqueFd input = lift(UniqueFd(ends[1]));
  const UniqueFd first = lift(std::move(old_file)), second = lift(std::move(new_file));
  Actions actions;
  actions.place(input.get(), STDOUT_FILENO);
  actions.place(first.get(), kOld);
  actions.place(second.get(), kNew);
  const std::string arguments[] = {"diff",    "-u",      "--label",   old_label,
                                   "--label", new_label, "/dev/fd/3", "/dev/fd/4"};
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  char locale[] = "LC_ALL=C";
  char* environment[] = {locale, nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, "/usr/bin/diff", actions.get(), nullptr, argv.data(), environment);
  if (error != 0) {
    throw base::SystemError("run", "/usr/bin/diff", error, "install the package diffutils");
  }
  input.reset();
  const std::unique_ptr<FILE, int (*)(FILE*)> stream(::fdopen(::dup(output.get()), "r"), ::fclose);
  char* buffer = nullptr;
  std::size_t capacity = 0;
  bool heading = true;
  ssize_t length = 0;
  while (stream && (length = ::getline(&buffer, &capacity, stream.get())) > 0) {
    std::string_view text(buffer, static_cast<std::size_t>(length));
    if (text.ends_with('\n')) {
      text.remove_suffix(1);
    }
    if (heading && text.starts_with("Binary files")) {
      line("Binary files differ");
    } else if (text.size() > kMostLine) {
      line(safe(text.substr(0, kMostLine)) + "… (" + std::to_string(text.size()) + " bytes)");
    } else {
      line(safe(text));
    }
    heading = false;
  }
  ::free(buffer);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

std::string octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%06o", static_cast<unsigned>(mode));
  return text;
}

}  // namespace

void diff(const Layer& layer, const Change& change, const std::string& name,
          const std::function<void(const std::string& line)>& line) {
  const UniqueFd root =
      open_absolute(layer.manifest().parts[change.part].root, O_PATH | O_DIRECTORY);
  const UniqueFd upper = layer.open_upper(change.part);
  const std::string shown = base::printable(name);
  if (change.before != change.after && (!S_ISDIR(change.after) || change.before != 0)) {
    line("agentbox: " + shown + " " + octal(change.before) + " → " + octal(change.after));
  }
  const auto link = [&](int directory, mode_t mode, const char* sign) {
    if (S_ISLNK(mode)) {
      const UniqueFd parent = open_below(directory, parent_of(change.path), O_PATH | O_DIRECTORY);
      check(parent.get(), "open", shown);
      line(sign + std::string("symbolic link to ") +
           base::printable(link_text(parent.get(), name_of(change.path))));
    }
  };
  link(root.get(), change.before, "-");
  link(upper.get(), change.after, "+");
  if (S_ISREG(change.before) || S_ISREG(change.after)) {
    text_diff(open_side(root.get(), change.path, change.before),
              open_side(upper.get(), change.path, change.after),
              change.before == 0 ? "/dev/null" : "a/" + shown,
              change.after == 0 ? "/dev/null" : "b/" + shown, line);
  }
}

}  // namespace agentbox::review
