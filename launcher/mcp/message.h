// JSON-RPC 2.0 messages (jsonrpc.org/specification) within what MCP allows of them. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace agentbox::mcp {

using Json = nlohmann::json;

inline constexpr std::size_t kDeepest = 32;     // objects and arrays in one another
inline constexpr std::size_t kLongestId = 256;  // bytes, of an id or a progress token

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kUnsupportedVersion = -32022;  // specification 2026-07-28, "Error Codes"

struct Request {
  Json id;  // a string or a whole number
  std::string method;
  Json params;  // an object
};

struct Notification {
  std::string method;
  Json params;  // an object
};

// An answer to a request of ours; this side sends none, so that it means nothing.
struct Response {};

struct Malformed {
  Json id;  // null where it could not be read
  int code = kInvalidRequest;
  std::string message;
};

using Message = std::variant<Request, Notification, Response, Malformed>;

// The value of a line; nullopt for what is no JSON, is nested deeper than kDeepest or holds a key
// twice: two readers must never see two different messages in the same bytes.
std::optional<Json> parse_line(std::string_view line);

// What one value (not a batch) says.
Message read_message(Json value);

// Whether `value` may identify a request, or its progress.
bool is_id(const Json& value);

Json result_message(Json id, Json result);
Json error_message(Json id, int code, std::string_view message, Json data = nullptr);
Json notification(std::string_view method, Json params);

// As one line, with its end. Bytes that are not UTF-8 become U+FFFD.
std::string line_of(const Json& message);

}  // namespace agentbox::mcp
