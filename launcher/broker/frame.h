// The messages between a box and its broker: a 4-byte big-endian length, then that many bytes of
// JSON. A request is {"v":1,"id":N,"method":"…","params":{…}}, its answer {"v":1,"id":N,"result":…}
// or {"v":1,"id":N,"error":{"code":"…","message":"…"}}. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::broker {

inline constexpr std::size_t kLongestMessage = 64 << 10;
inline constexpr std::size_t kLengthSize = 4;
inline constexpr std::uint64_t kVersion = 1;

// Takes whole messages out of a stream.
class FrameReader {
 public:
  explicit FrameReader(std::size_t longest = kLongestMessage) : longest_(longest) {}

  void add(std::string_view bytes) { buffer_ += bytes; }
  // The next whole message, nullopt if there is none yet. Sets broken() for a length of 0 or above
  // the longest: the stream cannot be read any further then.
  std::optional<std::string> next();
  bool broken() const { return broken_; }
  // Whether a message has begun and is not whole.
  bool pending() const { return !buffer_.empty(); }

 private:
  std::size_t longest_;  // bytes
  std::string buffer_;
  bool broken_ = false;
};

// With its length in front. `text` is not longer than kLongestMessage.
std::string frame(std::string_view text);

// The same for a message; one that is too long becomes an error answer of the same id.
std::string frame(const nlohmann::json& message);

nlohmann::json result_message(std::uint64_t id, nlohmann::json result);
nlohmann::json error_message(std::uint64_t id, std::string_view code, std::string_view message);

struct Request {
  std::uint64_t id = 0;
  std::string method;
  nlohmann::json params;  // an object
};

// Strict: exactly the members above ("params" may be absent), of the right types, version 1, no
// duplicate key, nothing nested deeper than a request needs. Otherwise nullopt, and `problem` says
// what is wrong and `id` is the request's if it could be read.
std::optional<Request> parse_request(std::string_view text, std::uint64_t& id,
                                     std::string& problem);

}  // namespace agentbox::broker
