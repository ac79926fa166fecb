#include "launcher/mcp/tools.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "launcher/mcp/arguments.h"

namespace agentbox::mcp {

namespace {

Json string_schema(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

Json object_schema(Json properties, const std::vector<std::string>& required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", required},
          {"additionalProperties", false}};
}

Json no_arguments() { return object_schema(Json::object(), {}); }

Json names_schema() { return {{"type", "array"}, {"items", {{"type", "string"}}}}; }

Json place_properties() {
  return {{"name", {{"type", "string"}}},
          {"delivery", {{"type", "string"}}},
          {"env", string_schema("the environment variable that holds it")},
          {"file", string_schema("the file that holds it")}};
}

ToolResult structured(Json object) {
  ToolResult result;
  result.structured = std::move(object);
  return result;
}

Tool list_secrets(const Ask& ask) {
  const Json secret = {
      {"type", "object"}, {"properties", place_properties()}, {"required", {"name", "delivery"}}};
  return {
      {.name = "list_secrets",
       .title = "List secrets",
       .text = "Lists the secrets that this box holds: the name of each, and the environment "
               "variable or file where it is; on_request names those that request_secret gives. "
               "Never a value. Use a secret by its variable or file in a command; do not print it.",
       .input = no_arguments(),
       .output = object_schema(
           {{"secrets", {{"type", "array"}, {"items", secret}}}, {"on_request", names_schema()}},
           {"secrets", "on_request"}),
       .read_only = true},
      [ask](Call& call) {
        Arguments(call.arguments(), {});
        return structured(ask("list_secrets", Json::object()));
      }};
}

Tool list_scopes(const Ask& ask) {
  const Json command = {
      {"type", "object"},
      {"properties",
       {{"name", {{"type", "string"}}}, {"scope", {{"type", "string"}}}, {"args", names_schema()}}},
      {"required", {"name", "scope"}}};
  return {{.name = "list_scopes",
           .title = "List scopes",
           .text = "Lists the scopes that this box may start boxes in. Each has secrets, files and "
                   "hosts of its own. commands names programs that run in such a box when they are "
                   "typed, and what their arguments may begin with (args; any if it is not there).",
           .input = no_arguments(),
           .output = object_schema(
               {{"scopes", names_schema()}, {"commands", {{"type", "array"}, {"items", command}}}},
               {"scopes", "commands"}),
           .read_only = true},
          [ask](Call& call) {
            Arguments(call.arguments(), {});
            return structured(ask("list_scopes", Json::object()));
          }};
}

Tool explain(const Ask& ask) {
  return {{.name = "explain",
           .title = "Explain a decision",
           .text = "Says why a file is hidden, redacted or read-only here, or why a host does or "
                   "does not answer, and which rule decides. Give exactly one of path and host.",
           .input = object_schema(
               {{"path", string_schema("a path, absolute or relative to the project")},
                {"host", string_schema("a host and port: example.com:443")}},
               {}),
           .output = object_schema({{"decision", {{"type", "string"}}}}, {"decision"}),
           .read_only = true},
          [ask](Call& call) {
            const Arguments arguments(call.arguments(), {"path", "host"});
            const auto path = arguments.optional_text("path");
            const auto host = arguments.optional_text("host");
            if (path.has_value() == host.has_value()) {
              throw base::Error(base::Status::kFailed, "give exactly one of \"path\" and \"host\"");
            }
            return structured(ask("explain", path ? Json{{"path", *path}} : Json{{"host", *host}}));
          }};
}

// False: the call was cancelled meanwhile.
bool wait(Call& call, std::chrono::milliseconds time) {
  pollfd cancelled = {call.cancelled(), POLLIN, 0};
  return ::poll(&cancelled, 1, static_cast<int>(time.count())) == 0;
}

// Resolving may take its time, and a person may have to allow it: asked again until it is there.
ToolResult wait_for_secret(const Ask& ask, Call& call, const Json& params) {
  constexpr std::chrono::milliseconds kFirst{100}, kLongest{2000};
  constexpr std::chrono::minutes kPatience{5};
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (auto pause = kFirst;; pause = std::min(2 * pause, kLongest)) {
    const Json answer = ask("request_secret", params);
    if (answer.value("state", "") == "ready") {
      return structured(answer.at("secret"));
    }
    if (std::chrono::steady_clock::now() > end) {
      throw base::Error(base::Status::kFailed, "the secret is still on its way",
                        "ask for it again later");
    }
    call.progress("waiting for the secret");
    if (!wait(call, pause)) {
      return {};
    }
  }
}

Tool request_secret(const Ask& ask) {
  return {
      {.name = "request_secret",
       .title = "Request a secret",
       .text = "Asks for a secret by name. The answer says where it is: the environment "
               "variable or the file that holds it, never the value. Read the file in the "
               "command that needs it; do not print it. The request and its reason are logged.",
       .input =
           object_schema({{"name", string_schema("the secret's name, as list_secrets tells it")},
                          {"reason", string_schema("what it is needed for, for the user")}},
                         {"name", "reason"}),
       .output = object_schema(place_properties(), {"name", "delivery"}),
       .read_only = false},
      [ask](Call& call) {
        const Arguments arguments(call.arguments(), {"name", "reason"});
        return wait_for_secret(
            ask, call, {{"name", arguments.text("name")}, {"reason", arguments.text("reason")}});
      }};
}

// `scope`: the one to run in, or empty for one that each call names.
Tool run_scoped_tool(const std::string& scope, const Spawn& spawn) {
  const Json text = {{"type", "string"}};
  Json properties = {
      {"command",
       {{"type", "array"},
        {"items", text},
        {"minItems", 1},
        {"description", "the program and its arguments; no shell is in between"}}},
      {"directory", string_schema("an absolute path in the project; default: this one's")},
      {"parameters",
       {{"type", "object"},
        {"additionalProperties", text},
        {"description", "values for the scope's parameters: {\"tenant\": \"acme\"}"}}},
      {"reason", string_schema("what it is for, for the user")}};
  std::vector<std::string> required = {"command"};
  std::string which = "the scope " + scope;
  if (scope.empty()) {
    properties["scope"] = string_schema("the scope to run in");
    required.emplace_back("scope");
    which = "another scope (list_scopes)";
  }
  return {
      {.name = "run_scoped",
       .title = "Run a command in a scope",
       .text = "Runs a command in a box of its own beside this one, in the same project, with the "
               "secrets, files and hosts of " +
               which +
               ". Its output comes back with the secrets' values masked. The user may have to "
               "allow it.",
       .input = object_schema(std::move(properties), required),
       .output = object_schema({{"exit_status", {{"type", "integer"}}},
                                {"stdout", text},
                                {"stderr", text},
                                {"cut", {{"type", "boolean"}}},
                                {"receipt", {{"type", "object"}}}},
                               {"exit_status", "stdout", "stderr", "cut", "receipt"}),
       .read_only = false},
      [scope, spawn](Call& call) {
        std::vector<std::string> known = {"command", "directory", "parameters", "reason"};
        if (scope.empty()) {
          known.emplace_back("scope");
        }
        const Arguments arguments(call.arguments(), known);
        broker::SpawnRequest request;
        request.scope = scope.empty() ? arguments.text("scope") : scope;
        request.arguments = arguments.texts("command");
        request.parameters = arguments.text_members("parameters");
        request.reason = arguments.optional_text("reason").value_or("");
        request.directory =
            arguments.optional_text("directory").value_or(std::filesystem::current_path().string());
        return spawn(request, call);
      }};
}

}  // namespace

std::vector<Tool> box_tools(const Ask& ask, const Spawn& spawn) {
  return {list_secrets(ask), list_scopes(ask), explain(ask), request_secret(ask),
          run_scoped_tool("", spawn)};
}

std::vector<Tool> scope_tools(const std::string& scope, const Spawn& spawn) {
  return {run_scoped_tool(scope, spawn)};
}

}  // namespace agentbox::mcp
