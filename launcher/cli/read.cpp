#include "base/error.h"
#include "launcher/cli/output.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/handout.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox read [OPTION…] REFERENCE",
    "Resolves one reference and prints its value, with a line break after it. For you, outside "
    "any\n"
    "box; what is read is on the log.",
    "  agentbox read op://Development/database/password\n"
    "  agentbox read -n local://shop/database | wl-copy\n"
    "  agentbox read -o ~/.ssh/deploy 'op://Infra/deploy/private key?ssh-format=openssh'\n"};

}  // namespace

int read(const Arguments& arguments) {
  std::string reference;
  bool no_newline = false;
  Output output;
  po::options_description options("Options");
  options.add_options()("no-newline,n", po::bool_switch(&no_newline), "print the value alone");
  output.add_options(options);
  po::options_description hidden;
  hidden.add_options()("reference", po::value(&reference));
  po::positional_options_description positional;
  positional.add("reference", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  if (reference.empty()) {
    throw base::Error(base::Status::kFailed, "which reference is to be read?",
                      std::string("usage: ") + kUsage.synopsis);
  }
  output.check();
  resolver::SecretBuilder text;
  text.append(session::hand_out(reference, output.name()).reveal());
  if (!no_newline) {
    text.append("\n");
  }
  output.write(text.take());
  return 0;
}

}  // namespace agentbox::cli
