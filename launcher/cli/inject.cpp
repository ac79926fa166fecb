#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <variant>

#include "base/encode.h"
#include "base/file.h"
#include "launcher/cli/output.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/handout.h"
#include "resolver/injection.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox inject [OPTION…]",
    "Fills in a template as `op inject` does: {{ op://vault/item/field }}, bare op://… "
    "references,\n"
    "$NAME and ${NAME:-default}. If one reference cannot be resolved nothing is written. For you,\n"
    "outside any box; what is released is on the log.",
    "  agentbox inject -i config.tpl.yaml -o config.yaml\n"
    "  echo 'db: {{ local://shop/database }}' | agentbox inject\n"};

constexpr std::size_t kLargest = 8 << 20;

}  // namespace

int inject(const Arguments& arguments) {
  std::string in_file;
  Output output;
  po::options_description options("Options");
  options.add_options()("in-file,i", po::value(&in_file)->value_name("FILE"),
                        "the template (default: standard input)");
  output.add_options(options);
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  output.check();
  const std::string name = in_file.empty() ? "standard input" : in_file;
  const std::string text = in_file.empty() ? base::read_all(STDIN_FILENO, kLargest, name)
                                           : base::read_file(in_file, kLargest);
  resolver::Template pieces = resolver::parse_injection(text, name, resolver::lookup_in(environ));
  const auto secrets = std::count_if(pieces.begin(), pieces.end(), [](const auto& piece) {
    return std::holds_alternative<resolver::Reference>(piece);
  });
  output.write(session::fill_in(std::move(pieces), name, output.name()));
  if (output.to_file() && ::isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "agentbox: %s written, with %ld secret%s in it\n",
                 base::printable(output.name()).c_str(), static_cast<long>(secrets),
                 secrets == 1 ? "" : "s");
  }
  return 0;
}

}  // namespace agentbox::cli
