#include "resolver/backends/exec.h"

#include <exception>
#include <thread>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

Answer answer_of(const Reference& reference, const ToolOptions& options,
                 Clock::time_point deadline) {
  std::variant<Tool, Failed> found =
      Tool::find(reference.path.front(), "correct the reference, or install the program", options,
                 {"HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK",
                  "DBUS_SESSION_BUS_ADDRESS"});
  if (const Failed* failed = std::get_if<Failed>(&found)) {
    return *failed;
  }
  const Tool& tool = std::get<Tool>(found);
  Tool::Outcome outcome = tool.run({reference.path.begin() + 1, reference.path.end()}, deadline);
  if (outcome.failed) {
    return *outcome.failed;
  }
  if (outcome.status != 0) {
    const std::string complaint = outcome.complaint();
    return Failed{Failure::kUnavailable,
                  base::printable(tool.name()) + " ended with status " +
                      std::to_string(outcome.status) +
                      (complaint.empty() ? " and said nothing" : ": " + complaint),
                  "run it yourself, in / and without a terminal"};
  }
  if (outcome.output.reveal().ends_with('\n')) {
    outcome.output.shrink(outcome.output.size() - 1);
  }
  return Value{std::move(outcome.output), ""};
}

}  // namespace

std::vector<Answer> ExecBackend::resolve(const std::vector<Reference>& references,
                                         Clock::time_point deadline) {
  std::vector<Answer> answers(references.size());
  const auto run_one = [&](std::size_t i) {
    try {
      answers[i] = answer_of(references[i], options_, deadline);
    } catch (const base::Error& error) {
      answers[i] = Failed{Failure::kUnavailable, error.what(), error.hint()};
    } catch (const std::exception&) {
      answers[i] = Failed{Failure::kUnavailable, "the program could not be run", ""};
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < references.size(); ++i) {
      threads.emplace_back(run_one, i);
    }
    if (!references.empty()) {
      run_one(0);
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
