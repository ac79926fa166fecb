#include "audit/line.h"

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/number.h"
#include "base/sha256.h"

namespace agentbox::audit {

const std::string kNoHash(64, '0');

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
// The box chooses some of the fields; it must not choose how much of the user's disk they take.
constexpr std::size_t kMostBytes = 16384;
constexpr std::string_view kSeqKey = "\",\"seq\":";
constexpr std::string_view kPrevKey = ",\"prev\":\"";
constexpr std::string_view kHashKey = "\",\"hash\":\"";
constexpr std::size_t kHashLength = 64;
constexpr std::string_view kStart = "{\"v\":1,\"id\":\"";
constexpr std::size_t kIdLength = 26;

// Length of the well-formed UTF-8 sequence at text[at], 0 if there is none.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) {
    return 1;
  }
  for (std::size_t length = 2; length <= 4 && at + length <= text.size(); ++length) {
    if (base::is_utf8(text.substr(at, length))) {
      return length;
    }
  }
  return 0;
}

std::uint32_t code_point(std::string_view sequence) {
  static constexpr unsigned char kFirstMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  std::uint32_t point = static_cast<unsigned char>(sequence[0]) & kFirstMask[sequence.size()];
  for (const char c : sequence.substr(1)) {
    point = point << 6 | (static_cast<unsigned char>(c) & 0x3fu);
  }
  return point;
}

void append_unit(std::string& text, std::uint32_t unit) {
  char escape[8];
  std::snprintf(escape, sizeof escape, "\\u%04x", unit & 0xffffu);
  text += escape;
}

void append_byte(std::string& text, char byte) {
  text += "\\ufffd";
  text += base::hex({&byte, 1});
}

// As a JSON string in ASCII: what is printed to a terminal as it stands does no harm.
void append_string(std::string& text, std::string_view bytes) {
  text += '"';
  const std::size_t cut = bytes.size() > kMostBytes ? bytes.size() - kMostBytes : 0;
  bytes.remove_suffix(cut);
  for (std::size_t i = 0; i < bytes.size();) {
    const char c = bytes[i];
    if (c >= 0x20 && c < 0x7f) {
      if (c == '"' || c == '\\') {
        text += '\\';
      }
      text += c;
      ++i;
      continue;
    }
    const std::size_t length = sequence_length(bytes, i);
    if (length == 0 || bytes.substr(i, length) == kReplacement) {
      append_byte(text, c);
      ++i;
      continue;
    }
    const std::uint32_t point = code_point(bytes.substr(i, length));
    if (point > 0xffff) {
      append_unit(text, 0xd800 + ((point - 0x10000) >> 10));
      append_unit(text, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      append_unit(text, point);
    }
    i += length;
  }
  if (cut != 0) {
    text += "\\u2026 (" + std::to_string(cut) + " bytes more)";
  }
  text += '"';
}

void append_member(std::string& text, std::string_view key, std::string_view value) {
  if (value.empty()) {
    return;
  }
  text += ",\"";
  text += key;
  text += "\":";
  append_string(text, value);
}

// Milliseconds with three decimals, independent of the locale.
std::string milliseconds_text(std::chrono::microseconds latency) {
  const std::int64_t count = latency.count() < 0 ? 0 : latency.count();
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(count / 1000),
                static_cast<int>(count % 1000));
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_hash(std::string_view text) {
  for (const char c : text) {
    if (hex_digit(c) < 0) {
      return false;
    }
  }
  return text.size() == kHashLength;
}

}  // namespace

std::string make_line(const Record& record, const Link& link, std::string& hash) {
  std::string line;
  line.reserve(1024);
  line += kStart;
  line += link.id;
  line += kSeqKey;
  line += std::to_string(link.seq);
  append_member(line, "time", moment_text(link.time));
  append_member(line, "session", record.session);
  append_member(line, "box", record.box);
  append_member(line, "parent", record.parent);
  append_member(line, "scope", record.scope);
  append_member(line, "chain", record.chain);
  append_member(line, "parameters", record.parameters);
  append_member(line, "event", record.event);
  append_member(line, "reference", record.reference);
  append_member(line, "backend", record.backend);
  append_member(line, "version", record.version);
  append_member(line, "delivery", record.delivery);
  if (record.cache) {
    line += *record.cache ? ",\"cache\":true" : ",\"cache\":false";
  }
  append_member(line, "rule", record.rule);
  append_member(line, "subject", record.subject);
  append_member(line, "reason", record.reason);
  append_member(line, "outcome", record.outcome);
  append_member(line, "error", record.error);
  if (record.latency) {
    line += ",\"latency_ms\":" + milliseconds_text(*record.latency);
  }
  append_member(line, "actor", record.actor);
  append_member(line, "command", record.command);
  append_member(line, "policy", record.policy);
  line += kPrevKey;
  line += link.prev;
  line += "\"}";
  hash = base::sha256_hex(line);
  line.pop_back();
  line += kHashKey.substr(1);
  line += hash;
  line += "\"}";
  return line;
}

std::optional<Chained> parse_link(std::string_view line) {
  // …,"prev":"<64>","hash":"<64>"}
  constexpr std::size_t kTail = kPrevKey.size() + kHashLength + kHashKey.size() + kHashLength + 2;
  constexpr std::size_t kSeqAt = kStart.size() + kIdLength + kSeqKey.size();
  if (line.size() < kSeqAt + kTail || line.substr(0, kStart.size()) != kStart ||
      line.substr(kStart.size() + kIdLength, kSeqKey.size()) != kSeqKey) {
    return std::nullopt;
  }
  const std::string_view tail = line.substr(line.size() - kTail);
  Chained chained;
  chained.prev = tail.substr(kPrevKey.size(), kHashLength);
  chained.hash = tail.substr(kTail - 2 - kHashLength, kHashLength);
  const std::size_t comma = line.find(',', kSeqAt);
  const auto seq = base::parse_number(line.substr(kSeqAt, comma - kSeqAt));
  if (!seq || tail.substr(0, kPrevKey.size()) != kPrevKey ||
      tail.substr(kPrevKey.size() + kHashLength, kHashKey.size()) != kHashKey ||
      line.substr(line.size() - 2) != "\"}" || !is_hash(chained.prev) || !is_hash(chained.hash) ||
      !nlohmann::json::accept(line)) {
    return std::nullopt;
  }
  chained.seq = *seq;
  std::string hashed(line.substr(0, line.size() - 2 - kHashLength - kHashKey.size() + 1));
  hashed += '}';
  chained.computed = base::sha256_hex(hashed);
  return chained;
}

std::string decode_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    if (text.size() >= 5 && text.substr(0, 3) == kReplacement && hex_digit(text[3]) >= 0 &&
        hex_digit(text[4]) >= 0) {
      bytes += static_cast<char>(hex_digit(text[3]) << 4 | hex_digit(text[4]));
      text.remove_prefix(5);
    } else {
      bytes += text[0];
      text.remove_prefix(1);
    }
  }
  return bytes;
}

}  // namespace agentbox::audit
