// One record as one line of the log, and back. docs/audit.md is the format's contract. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/log.h"
#include "audit/moment.h"

namespace agentbox::audit {

// The hash before the first record: 64 zeros.
extern const std::string kNoHash;

// What the log adds to a record.
struct Link {
  std::string id;
  std::uint64_t seq = 0;  // 1 for the first record of the chain
  Moment time;
  std::string prev;  // hash of the record before
};

// The line without its newline, ASCII only; `hash` receives its hash. No record can make a second
// line, a control character or a key of its own.
std::string make_line(const Record& record, const Link& link, std::string& hash);

// What the chain needs of a line; views into it. `computed` is the hash that the line ought to
// have.
struct Chained {
  std::uint64_t seq = 0;
  std::string_view prev, hash;
  std::string computed;
};

// Reads a line without its newline. nullopt: not a line of this format.
std::optional<Chained> parse_link(std::string_view line);

// The bytes of a field from its text in a line: make_line writes each byte that is not part of
// well-formed UTF-8, and the three bytes of a U+FFFD, as U+FFFD and two hexadecimal digits. Text
// that it cannot have made is kept as it is.
std::string decode_bytes(std::string_view text);

}  // namespace agentbox::audit
