#include "resolver/writers/op_writer.h"

#include <algorithm>

#include "resolver/backends/op_environment.h"
#include "resolver/backends/op_failure.h"

namespace agentbox::resolver {

namespace {

// Why a run of op is none, if it is none. Its words are not shown where they quote a value.
std::optional<Failed> failure_of(const Tool::Outcome& outcome,
                                 const std::vector<NewValue>& values) {
  if (outcome.failed || outcome.status == 0) {
    return outcome.failed;
  }
  Failed failed = explain_op_failure(outcome.errors, {});
  if (std::any_of(values.begin(), values.end(), [&](const NewValue& value) {
        return outcome.errors.find(value.value->reveal()) != std::string::npos;
      })) {
    failed.message = "op failed, and its message quotes a secret; it is not shown";
  }
  return failed;
}

}  // namespace

OpWriter::OpWriter(OpPlace place, ToolOptions options)
    : place_(std::move(place)), options_(std::move(options)) {
  place_.check();
}

std::variant<Written, Failed> OpWriter::write(const std::vector<NewValue>& values,
                                              std::chrono::steady_clock::time_point deadline) {
  if (auto clash = OpPlace::clash(values)) {
    return *std::move(clash);
  }
  auto found = Tool::find(
      "op", "install 1Password CLI: https://developer.1password.com/docs/cli/get-started", options_,
      {});
  if (auto* failed = std::get_if<Failed>(&found)) {
    return std::move(*failed);
  }
  Tool& op = std::get<Tool>(found);
  for (const char* const* entry = options_.environment; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::string_view name = variable.substr(0, variable.find('='));
    if (name.starts_with(kOpSessionPrefix) ||
        std::find(kOpVariables.begin(), kOpVariables.end(), name) != kOpVariables.end()) {
      op.pass(*entry);
    }
  }
  Tool::Outcome listed =
      op.run({"item", "list", "--vault", place_.vault, "--format", "json"}, deadline);
  if (auto failed = failure_of(listed, values)) {
    return *std::move(failed);
  }
  // Of an empty vault op prints "[]", or nothing.
  const std::optional<Document> items =
      Document::parse(listed.output.empty() ? Secret("[]") : std::move(listed.output));
  if (!items || !items->root().is_array()) {
    return Failed{Failure::kInvalidResponse, "op listed the vault's items in no JSON",
                  "look at `op item list --format json`"};
  }
  if (place_.is_among(items->root())) {
    return Written{.changed = false};
  }
  const Secret item = place_.json(values);
  const Tool::Outcome made =
      op.run({"item", "create", "--vault", place_.vault, "--format", "json", "-"}, deadline,
             item.reveal());
  if (auto failed = failure_of(made, values)) {
    if (made.failed) {
      failed->message += "; the item may have been made";
    }
    return *std::move(failed);
  }
  return Written{.changed = true};
}

}  // namespace agentbox::resolver
