// DNS messages (RFC 1035 section 4), as much of them as a stub needs that never asks anyone. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "launcher/egress/address.h"

namespace agentbox::egress {

// The longest query that is looked at; real ones, EDNS padding and all, are far below it.
inline constexpr std::size_t kLongestQuery = 1232;

enum class ResponseCode : std::uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kNotImplemented = 4,
  kRefused = 5,
};

inline constexpr std::uint16_t kTypeA = 1;
inline constexpr std::uint16_t kTypeAaaa = 28;

struct Query {
  std::uint16_t id = 0;
  bool recursion_desired = false;
  // Set if the message cannot be served; then only `id` and `question` (perhaps empty) hold.
  ResponseCode error = ResponseCode::kNoError;
  // Presentation form without the last dot. A byte that is not a letter, a digit, "-" or "_" is
  // written \DDD (RFC 1035 5.1): a dot or a NUL inside a label never looks like another name.
  std::string name;
  std::uint16_t type = 0;
  std::vector<std::uint8_t> question;  // the question section as it came, to be sent back
};

// nullopt: not a query at all (too short, or itself a response) and to be dropped, or two stubs
// could answer one another for ever. One question of class IN without compression pointers, at most
// one further record (EDNS, RFC 6891), nothing behind: anything else is a kFormatError.
std::optional<Query> parse_query(std::span<const std::uint8_t> message);

// With `address`, one A or AAAA record; without, an empty answer with `code`.
std::vector<std::uint8_t> answer(const Query& query, ResponseCode code,
                                 const std::optional<Address>& address = std::nullopt);

}  // namespace agentbox::egress
