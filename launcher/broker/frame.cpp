#include "launcher/broker/frame.h"

#include <set>
#include <vector>

namespace agentbox::broker {

namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 8;

// As nlohmann's parser, but a key that stands twice, or deep nesting, makes the text invalid: two
// readers must never see two different requests in the same bytes.
json parse_strictly(std::string_view text) {
  bool bad = false;
  std::vector<std::set<std::string>> keys;
  const json parsed = json::parse(
      text,
      [&](int, json::parse_event_t event, json& value) {
        switch (event) {
          case json::parse_event_t::object_start:
          case json::parse_event_t::array_start:
            keys.emplace_back();
            bad = bad || keys.size() > kDeepest;
            break;
          case json::parse_event_t::object_end:
          case json::parse_event_t::array_end:
            keys.pop_back();
            break;
          case json::parse_event_t::key:
            bad = bad || !keys.back().insert(value.get<std::string>()).second;
            break;
          case json::parse_event_t::value:
            break;
        }
        return true;
      },
      false);
  return bad ? json(json::value_t::discarded) : parsed;
}

}  // namespace

std::optional<std::string> FrameReader::next() {
  if (broken_ || buffer_.size() < kLengthSize) {
    return std::nullopt;
  }
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthSize; ++i) {
    length = length << 8 | static_cast<unsigned char>(buffer_[i]);
  }
  if (length == 0 || length > longest_) {
    broken_ = true;
    return std::nullopt;
  }
  if (buffer_.size() < kLengthSize + length) {
    return std::nullopt;
  }
  std::string message = buffer_.substr(kLengthSize, length);
  buffer_.erase(0, kLengthSize + length);
  return message;
}

std::string frame(std::string_view text) {
  std::string bytes;
  for (std::size_t i = kLengthSize; i-- > 0;) {
    bytes += static_cast<char>(text.size() >> (8 * i) & 0xff);
  }
  return bytes.append(text);
}

std::string frame(const json& message) {
  // Names of files need not be UTF-8; an answer must not throw for that.
  const std::string text = message.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongestMessage) {
    return frame(error_message(message.at("id"), "too_long", "the answer is too long"));
  }
  return frame(std::string_view(text));
}

json result_message(std::uint64_t id, json result) {
  return {{"v", kVersion}, {"id", id}, {"result", std::move(result)}};
}

json error_message(std::uint64_t id, std::string_view code, std::string_view message) {
  return {{"v", kVersion}, {"id", id}, {"error", {{"code", code}, {"message", message}}}};
}

std::optional<Request> parse_request(std::string_view text, std::uint64_t& id,
                                     std::string& problem) {
  id = 0;
  json parsed = parse_strictly(text);
  if (!parsed.is_object()) {
    problem = "not a JSON object";
    return std::nullopt;
  }
  const auto found = parsed.find("id");
  if (found == parsed.end() || !found->is_number_unsigned()) {
    problem = "\"id\" must be a whole number from 0";
    return std::nullopt;
  }
  id = *found;
  const auto version = parsed.find("v");
  if (version == parsed.end() || *version != kVersion) {
    problem = "\"v\" must be 1, the only version that this agentbox speaks";
    return std::nullopt;
  }
  const auto method = parsed.find("method");
  if (method == parsed.end() || !method->is_string()) {
    problem = "\"method\" must be a string";
    return std::nullopt;
  }
  const auto params = parsed.find("params");
  if (params != parsed.end() && !params->is_object()) {
    problem = "\"params\" must be an object";
    return std::nullopt;
  }
  if (parsed.size() != (params == parsed.end() ? 3 : 4)) {
    problem = "a request has \"v\", \"id\", \"method\" and \"params\", nothing else";
    return std::nullopt;
  }
  return Request{id, *method, params == parsed.end() ? json::object() : std::move(*params)};
}

}  // namespace agentbox::broker
