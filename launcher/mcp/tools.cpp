#include "launcher/mcp/tools.h"

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
               "variable or file where it is. Never a value. Use a secret by its variable or "
               "file in a command; do not print it.",
       .input = no_arguments(),
       .output = object_schema({{"secrets", {{"type", "array"}, {"items", secret}}}}, {"secrets"}),
       .read_only = true},
      [ask](Call& call) {
        Arguments(call.arguments(), {});
        return structured(ask("list_secrets", Json::object()));
      }};
}

Tool list_scopes(const Ask& ask) {
  return {{.name = "list_scopes",
           .title = "List scopes",
           .text = "Lists the scopes that this box may start boxes in. Each has secrets, files and "
                   "hosts of its own.",
           .input = no_arguments(),
           .output = object_schema(
               {{"scopes", {{"type", "array"}, {"items", {{"type", "string"}}}}}}, {"scopes"}),
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

}  // namespace

std::vector<Tool> box_tools(const Ask& ask) {
  return {list_secrets(ask), list_scopes(ask), explain(ask)};
}

}  // namespace agentbox::mcp
