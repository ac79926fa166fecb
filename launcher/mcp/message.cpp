#include "launcher/mcp/message.h"

#include <set>
#include <utility>
#include <vector>

namespace agentbox::mcp {

std::optional<Json> parse_line(std::string_view line) {
  bool bad = false;
  std::vector<std::set<std::string>> keys;
  Json parsed = Json::parse(
      line,
      [&](int, Json::parse_event_t event, Json& value) {
        switch (event) {
          case Json::parse_event_t::object_start:
          case Json::parse_event_t::array_start:
            keys.emplace_back();
            bad = bad || keys.size() > kDeepest;
            break;
          case Json::parse_event_t::object_end:
          case Json::parse_event_t::array_end:
            keys.pop_back();
            break;
          case Json::parse_event_t::key:
            bad = bad || !keys.back().insert(value.get<std::string>()).second;
            break;
          case Json::parse_event_t::value:
            break;
        }
        return !bad;  // what is deeper is not even kept
      },
      false);
  if (bad || parsed.is_discarded()) {
    return std::nullopt;
  }
  return parsed;
}

bool is_id(const Json& value) {
  return value.is_number_integer() ||
         (value.is_string() && value.get_ref<const std::string&>().size() <= kLongestId);
}

Message read_message(Json value) {
  if (!value.is_object()) {
    return Malformed{nullptr, kInvalidRequest, "a message is a JSON object"};
  }
  const auto id = value.find("id");
  const bool has_id = id != value.end();
  const Json readable = has_id && is_id(*id) ? *id : Json();
  const auto version = value.find("jsonrpc");
  if (version == value.end() || *version != "2.0") {
    return Malformed{readable, kInvalidRequest, "\"jsonrpc\" must be \"2.0\""};
  }
  const auto method = value.find("method");
  if (method == value.end()) {
    if (has_id && (value.contains("result") || value.contains("error"))) {
      return Response{};
    }
    return Malformed{readable, kInvalidRequest, "there is no \"method\""};
  }
  if (!method->is_string()) {
    return Malformed{readable, kInvalidRequest, "\"method\" must be a string"};
  }
  if (has_id && readable.is_null()) {
    return Malformed{nullptr, kInvalidRequest, "\"id\" must be a string or a whole number"};
  }
  const auto params = value.find("params");
  Json given = Json::object();
  if (params != value.end()) {
    if (!params->is_object()) {
      return Malformed{readable, kInvalidParams, "\"params\" must be an object"};
    }
    given = std::move(*params);
  }
  if (!has_id) {
    return Notification{method->get<std::string>(), std::move(given)};
  }
  return Request{readable, method->get<std::string>(), std::move(given)};
}

Json result_message(Json id, Json result) {
  return {{"jsonrpc", "2.0"}, {"id", std::move(id)}, {"result", std::move(result)}};
}

Json error_message(Json id, int code, std::string_view message, Json data) {
  Json error = {{"code", code}, {"message", message}};
  if (!data.is_null()) {
    error["data"] = std::move(data);
  }
  return {{"jsonrpc", "2.0"}, {"id", std::move(id)}, {"error", std::move(error)}};
}

Json notification(std::string_view method, Json params) {
  return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}

std::string line_of(const Json& message) {
  return message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace agentbox::mcp
