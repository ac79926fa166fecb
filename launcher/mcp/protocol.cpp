#include "launcher/mcp/protocol.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"

namespace agentbox::mcp {

namespace {

constexpr const char* kStateless = "2026-07-28";
constexpr const char* kStructured = "2025-06-18";  // since: title, outputSchema, structuredContent
constexpr const char* kBatches = "2025-03-26";     // this revision alone
constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr const char* kClientKey = "io.modelcontextprotocol/clientCapabilities";
constexpr const char* kServerKey = "io.modelcontextprotocol/serverInfo";
// The tools of a box stay the same while it runs.
constexpr int kFresh = 3'600'000;  // milliseconds

// Those that begin with "initialize", the newest first.
const std::vector<std::string>& sessions() {
  static const std::vector<std::string> all = {"2025-11-25", kStructured, kBatches, "2024-11-05"};
  return all;
}

const Json& member(const Json& object, const char* name) {
  static const Json none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

Json meta_of(const Request& request) {
  const Json& meta = member(request.params, "_meta");
  return meta.is_object() ? meta : Json::object();
}

}  // namespace

const std::vector<std::string>& Protocol::versions() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> both = sessions();
    both.insert(both.begin(), kStateless);
    return both;
  }();
  return all;
}

Json Protocol::too_long() {
  return error_message(nullptr, kInvalidRequest, "the message is longer than 1 MiB");
}

Reaction Protocol::receive(std::string_view line) {
  Reaction reaction;
  std::optional<Json> value = parse_line(line);
  if (!value) {
    reaction.messages.push_back(
        error_message(nullptr, kParseError, "not JSON, nested too deeply, or a key stands twice"));
  } else if (value->is_array() && version_ == kBatches && !value->empty()) {
    // Each is answered by itself: a call in it may take its time.
    for (Json& one : *value) {
      take(read_message(std::move(one)), reaction);
    }
  } else {
    take(read_message(std::move(*value)), reaction);
  }
  return reaction;
}

void Protocol::take(Message message, Reaction& reaction) {
  if (const auto* request = std::get_if<Request>(&message)) {
    take(*request, reaction);
  } else if (const auto* notification = std::get_if<Notification>(&message)) {
    take(*notification, reaction);
  } else if (auto* malformed = std::get_if<Malformed>(&message)) {
    reaction.messages.push_back(
        error_message(std::move(malformed->id), malformed->code, malformed->message));
  }
}

void Protocol::take(const Notification& notification, Reaction& reaction) {
  if (notification.method == "notifications/cancelled") {
    const auto call = pending_.find(member(notification.params, "requestId"));
    if (call != pending_.end()) {
      reaction.cancelled.push_back(*call);
      pending_.erase(call);
    }
  }
}

void Protocol::take(const Request& request, Reaction& reaction) {
  const Json meta = meta_of(request);
  const bool stateless = meta.contains(kVersionKey);
  const auto say = [&](Json result) {
    reaction.messages.push_back(
        result_message(request.id, stateless ? complete(std::move(result)) : std::move(result)));
  };
  const auto refuse = [&](int code, const std::string& message, Json data = nullptr) {
    reaction.messages.push_back(error_message(request.id, code, message, std::move(data)));
  };
  if (stateless && meta.at(kVersionKey) != kStateless) {
    return refuse(kUnsupportedVersion, "this revision of the protocol is not supported",
                  {{"supported", versions()}, {"requested", meta.at(kVersionKey)}});
  }
  if (stateless && !member(meta, kClientKey).is_object()) {
    return refuse(kInvalidParams, std::string("_meta needs the object ") + kClientKey);
  }
  if (request.method == "initialize" && !stateless) {
    if (!version_.empty()) {
      return refuse(kInvalidRequest, "the session is initialized already");
    }
    return reaction.messages.push_back(initialize(request));
  }
  if (request.method == "ping" && !stateless) {
    return say(Json::object());
  }
  if (!stateless && version_.empty()) {
    return refuse(kInvalidRequest, "the first request must be \"initialize\"");
  }
  if (request.method == "server/discover" && stateless) {
    return say(discover());
  }
  if (request.method == "tools/list") {
    Json result = list(stateless || version_ >= kStructured);
    if (stateless) {
      result["ttlMs"] = kFresh;
      result["cacheScope"] = "private";
    }
    return say(std::move(result));
  }
  if (request.method == "tools/call") {
    return call(request, stateless, reaction);
  }
  refuse(kMethodNotFound,
         "there is no method \"" + base::printable(request.method.substr(0, 64)) + "\"");
}

Json Protocol::initialize(const Request& request) {
  const Json& asked = member(request.params, "protocolVersion");
  if (!asked.is_string()) {
    return error_message(request.id, kInvalidParams, "\"protocolVersion\" must be a string");
  }
  const auto known = std::find(sessions().begin(), sessions().end(), asked);
  version_ = known == sessions().end() ? sessions().front() : *known;
  Json info = {{"name", server_.name}, {"version", server_.version}};
  if (version_ >= kStructured) {
    info["title"] = server_.title;
  }
  return result_message(request.id, {{"protocolVersion", version_},
                                     {"capabilities", {{"tools", Json::object()}}},
                                     {"serverInfo", std::move(info)},
                                     {"instructions", server_.instructions}});
}

Json Protocol::discover() const {
  return {{"supportedVersions", versions()},
          {"capabilities", {{"tools", Json::object()}}},
          {"instructions", server_.instructions},
          {"ttlMs", kFresh},
          {"cacheScope", "private"}};
}

Json Protocol::complete(Json result) const {
  result["resultType"] = "complete";
  result["_meta"][kServerKey] = {
      {"name", server_.name}, {"title", server_.title}, {"version", server_.version}};
  return result;
}

Json Protocol::list(bool structured) const {
  Json all = Json::array();
  for (const Description& tool : tools_) {
    Json one = {{"name", tool.name}, {"description", tool.text}, {"inputSchema", tool.input}};
    if (structured) {
      one["title"] = tool.title;
      one["outputSchema"] = tool.output;
      one["annotations"] = {{"readOnlyHint", tool.read_only}};
    }
    all.push_back(std::move(one));
  }
  return {{"tools", std::move(all)}};
}

void Protocol::call(const Request& request, bool stateless, Reaction& reaction) {
  const auto refuse = [&](int code, const std::string& message) {
    reaction.messages.push_back(error_message(request.id, code, message));
  };
  const Json& name = member(request.params, "name");
  if (!name.is_string()) {
    return refuse(kInvalidParams, "\"name\" must be a string");
  }
  const bool known = std::any_of(tools_.begin(), tools_.end(),
                                 [&](const Description& tool) { return tool.name == name; });
  if (!known) {
    return refuse(
        kInvalidParams,
        "there is no tool \"" + base::printable(name.get<std::string>().substr(0, 64)) + "\"");
  }
  Json arguments = member(request.params, "arguments");
  if (!arguments.is_null() && !arguments.is_object()) {
    return refuse(kInvalidParams, "\"arguments\" must be an object");
  }
  if (pending_.contains(request.id)) {
    return refuse(kInvalidRequest, "a call of this id is not over yet");
  }
  ToolCall call;
  call.id = request.id;
  call.tool = name;
  call.arguments = arguments.is_null() ? Json::object() : std::move(arguments);
  call.stateless = stateless;
  call.structured = stateless || version_ >= kStructured;
  if (const Json token = member(meta_of(request), "progressToken"); is_id(token)) {
    call.progress_token = token;
  }
  pending_.insert(call.id);
  if (pending_.size() > kMostPending) {
    ToolResult busy;
    busy.text = "too many calls at once: wait for one of the " + std::to_string(kMostPending) +
                " that are under way, or cancel it";
    busy.error = true;
    return reaction.messages.push_back(result(call, busy));
  }
  reaction.calls.push_back(std::move(call));
}

Json Protocol::result(const ToolCall& call, const ToolResult& result) {
  if (pending_.erase(call.id) == 0) {
    return nullptr;
  }
  const std::string text =
      result.text.empty() && !result.structured.is_null()
          ? result.structured.dump(-1, ' ', false, Json::error_handler_t::replace)
          : result.text;
  Json body = {{"content", Json::array({{{"type", "text"}, {"text", text}}})},
               {"isError", result.error}};
  if (call.structured && !result.structured.is_null()) {
    body["structuredContent"] = result.structured;
  }
  return result_message(call.id, call.stateless ? complete(std::move(body)) : std::move(body));
}

Json Protocol::progress(const ToolCall& call, double done, std::string_view message) {
  return notification(
      "notifications/progress",
      {{"progressToken", call.progress_token}, {"progress", done}, {"message", message}});
}

}  // namespace agentbox::mcp
