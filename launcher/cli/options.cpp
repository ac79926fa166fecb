#include "launcher/cli/options.h"

#include <algorithm>
#include <iostream>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

void print_help(const Usage& usage, const po::options_description& options) {
  std::cout << "usage: " << usage.synopsis << "\n\n" << usage.description << "\n\n" << options;
  if (usage.examples[0] != '\0') {
    std::cout << "\nExamples:\n" << usage.examples;
  }
}

std::string nearest_option(const std::string& wrong, const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) {
    names.push_back("--" + option->long_name());
  }
  return base::nearest(wrong, names);
}

}  // namespace

std::optional<po::variables_map> parse_options(const Usage& usage, po::options_description options,
                                               const po::positional_options_description& positional,
                                               const po::options_description& hidden,
                                               const Arguments& arguments) {
  options.add_options()("help,h", "show this page");
  po::options_description all;
  all.add(options).add(hidden);
  const std::string hint = std::string("usage: ") + usage.synopsis;
  po::variables_map values;
  try {
    // No guessing: "--fre" is a mistake, not "--fresh".
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(
        po::command_line_parser(arguments).options(all).positional(positional).style(style).run(),
        values);
    if (values.count("help") != 0) {
      print_help(usage, options);
      return std::nullopt;
    }
    po::notify(values);
  } catch (const po::unknown_option& error) {
    const std::string wrong = error.get_option_name();
    const std::string near = nearest_option(wrong, options);
    throw base::Error(base::Status::kFailed, "there is no option " + base::printable(wrong),
                      near.empty() ? hint : "did you mean " + near + "?");
  } catch (const po::error& error) {
    throw base::Error(base::Status::kFailed, base::printable(error.what()), hint);
  }
  return values;
}

Split split_command(const Arguments& arguments) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  Split split{Arguments(arguments.begin(), separator), {}};
  if (separator != arguments.end()) {
    split.command.assign(separator + 1, arguments.end());
  }
  return split;
}

}  // namespace agentbox::cli
