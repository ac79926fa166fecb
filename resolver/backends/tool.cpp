#include "resolver/backends/tool.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kComplaintLimit = 300;

const char* find_variable(const char* const* environment, std::string_view name) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view text = *environment;
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=') {
      return *environment;
    }
  }
  return nullptr;
}

}  // namespace

std::variant<Tool, Failed> Tool::find(const std::string& program, const std::string& install,
                                      const ToolOptions& options,
                                      std::initializer_list<std::string_view> passed) {
  std::vector<std::string> avoid = options.avoid;
  if (avoid.empty()) {
    avoid.push_back(".");
  }
  const char* variable = find_variable(options.environment, "PATH");
  const std::string_view path = variable != nullptr ? std::string_view(variable).substr(5) : "";
  const std::size_t slash = program.rfind('/');
  const bool absolute = slash != std::string::npos;
  Tool tool;
  tool.name_ = absolute ? program.substr(slash + 1) : program;
  const Search search = find_program(tool.name_, path, avoid);
  const Search found =
      absolute ? find_program(tool.name_, slash == 0 ? "/" : program.substr(0, slash), avoid)
               : search;
  if (found.program.empty()) {
    if (!found.skipped.empty()) {
      return Failed{Failure::kPermissionDenied,
                    "the program " + base::printable(found.skipped) +
                        " is not trusted: it is in the project, or anyone may write it",
                    "install it elsewhere: " + install};
    }
    return Failed{Failure::kUnavailable,
                  "there is no program " + base::printable(program) + (absolute ? "" : " in PATH"),
                  install};
  }
  tool.program_ = found.program;
  tool.own_ = {"PATH=" + search.path, "LANG=C"};
  for (const std::string_view name : passed) {
    if (const char* entry = find_variable(options.environment, name)) {
      tool.passed_.push_back(entry);
    }
  }
  return tool;
}

Tool::Outcome Tool::run(std::vector<std::string> arguments,
                        std::chrono::steady_clock::time_point deadline,
                        std::string_view input) const {
  Command command;
  command.program = program_;
  command.arguments = {name_};
  command.arguments.insert(command.arguments.end(), std::make_move_iterator(arguments.begin()),
                           std::make_move_iterator(arguments.end()));
  command.environment = passed_;
  for (const std::string& variable : own_) {
    command.environment.push_back(variable.c_str());
  }
  command.input = input;
  Finished finished = resolver::run(command, deadline);
  Outcome outcome;
  outcome.output = std::move(finished.output);
  outcome.errors = std::move(finished.errors);
  wipe(finished.errors);
  switch (finished.end) {
    case Finished::End::kExited:
      outcome.status = finished.code;
      break;
    case Finished::End::kTimedOut:
      outcome.failed = {Failure::kTimeout, name_ + " did not answer in time and was stopped",
                        "look for a window in which it asks, then start again"};
      break;
    case Finished::End::kTooMuchOutput:
      outcome.failed = {Failure::kInvalidResponse,
                        name_ + " printed more than 2 MiB and was stopped", ""};
      break;
    case Finished::End::kSignalled:
      outcome.failed = {Failure::kUnavailable,
                        name_ + " was ended by signal " + std::to_string(finished.code), ""};
      break;
  }
  return outcome;
}

std::string Tool::Outcome::complaint() const {
  // A line that a program printed on both sides may be the value.
  std::string_view printed = output.reveal();
  while (!printed.empty()) {
    const std::size_t end = std::min(printed.find('\n'), printed.size());
    const std::string_view line = printed.substr(0, end);
    if (!line.empty() && errors.find(line) != std::string::npos) {
      return "its message quotes what it printed and is not shown";
    }
    printed.remove_prefix(std::min(end + 1, printed.size()));
  }
  std::string_view text = errors;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const std::size_t start = text.rfind('\n');
  text = start == std::string_view::npos ? text : text.substr(start + 1);
  return base::printable(text.substr(0, kComplaintLimit));
}

}  // namespace agentbox::resolver
