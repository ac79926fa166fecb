// What all verbs share in reading their command line.
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <vector>

namespace agentbox::cli {

using Arguments = std::vector<std::string>;

// The text around a verb's options in its --help.
struct Usage {
  const char* synopsis;     // "agentbox run [OPTION…] -- COMMAND [ARGUMENT…]"
  const char* description;  // one or more paragraphs
  const char* examples;     // lines, may be empty
};

// A verb's own words, and the command after the first "--".
struct Split {
  Arguments own, command;
};
Split split_command(const Arguments& arguments);

// Reads `arguments`; `--help` is added, prints the page and gives nullopt. Throws base::Error
// (kFailed, as for every wrong use of a command line) with the nearest option for an unknown one.
std::optional<boost::program_options::variables_map> parse_options(
    const Usage& usage, boost::program_options::options_description options,
    const boost::program_options::positional_options_description& positional,
    const boost::program_options::options_description& hidden, const Arguments& arguments);

}  // namespace agentbox::cli
