#include "launcher/egress/dns_message.h"

namespace agentbox::egress {

namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kLongestName = 255;   // RFC 1035 2.3.4, length bytes and the root included
constexpr std::uint8_t kLongestLabel = 63;  // the two bits above it mark a compression pointer
constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeOpt = 41;
// The addresses stay the same for the whole session; short enough for a name to be asked for again
// by a long-lived process after its box has changed.
constexpr std::uint32_t kSecondsToLive = 60;

// Reads big-endian numbers; past the end it gives zero and remembers.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint8_t byte() {
    if (at_ >= bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return bytes_[at_++];
  }
  std::uint16_t word() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8U | byte());
  }
  void skip(std::size_t count) {
    if (count > bytes_.size() - at_) {
      failed_ = true;
      return;
    }
    at_ += count;
  }
  std::size_t at() const { return at_; }
  bool failed() const { return failed_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

bool is_plain(std::uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

bool read_name(Reader& reader, std::string& name) {
  const std::size_t begin = reader.at();
  for (;;) {
    const std::uint8_t length = reader.byte();
    if (reader.failed() || length > kLongestLabel || reader.at() - begin + length > kLongestName) {
      return false;
    }
    if (length == 0) {
      return true;
    }
    if (!name.empty()) {
      name += '.';
    }
    for (unsigned i = 0; i < length; ++i) {
      const std::uint8_t byte = reader.byte();
      if (is_plain(byte)) {
        name += static_cast<char>(byte);
      } else {
        name += '\\';
        name += static_cast<char>('0' + byte / 100);
        name += static_cast<char>('0' + byte / 10 % 10);
        name += static_cast<char>('0' + byte % 10);
      }
    }
    if (reader.failed()) {
      return false;
    }
  }
}

bool read_option_record(Reader& reader) {
  const bool root = reader.byte() == 0;
  const bool option = reader.word() == kTypeOpt;
  reader.skip(2 + 4);  // payload size, extended code and flags
  reader.skip(reader.word());
  return root && option && !reader.failed();
}

void put(std::vector<std::uint8_t>& out, std::uint16_t word) {
  out.push_back(static_cast<std::uint8_t>(word >> 8U));
  out.push_back(static_cast<std::uint8_t>(word & 0xffU));
}

}  // namespace

std::optional<Query> parse_query(std::span<const std::uint8_t> message) {
  if (message.size() < kHeader || message.size() > kLongestQuery) {
    return std::nullopt;
  }
  Reader reader(message);
  Query query;
  query.id = reader.word();
  const std::uint16_t flags = reader.word();
  if ((flags & 0x8000U) != 0) {
    return std::nullopt;
  }
  query.recursion_desired = (flags & 0x0100U) != 0;
  const std::uint16_t questions = reader.word();
  const std::uint16_t answers = reader.word();
  const std::uint16_t authorities = reader.word();
  const std::uint16_t additionals = reader.word();
  if ((flags & 0x7800U) != 0) {
    query.error = ResponseCode::kNotImplemented;
    return query;
  }
  query.error = ResponseCode::kFormatError;
  if (questions != 1 || answers != 0 || authorities != 0 || additionals > 1) {
    return query;
  }
  if (!read_name(reader, query.name)) {
    return query;
  }
  query.type = reader.word();
  const std::uint16_t question_class = reader.word();
  if (reader.failed() || question_class != kClassIn) {
    return query;
  }
  const std::size_t question_end = reader.at();
  if ((additionals == 1 && !read_option_record(reader)) || !reader.at_end()) {
    return query;
  }
  query.question.assign(message.begin() + kHeader,
                        message.begin() + static_cast<std::ptrdiff_t>(question_end));
  query.error = ResponseCode::kNoError;
  return query;
}

std::vector<std::uint8_t> answer(const Query& query, ResponseCode code,
                                 const std::optional<Address>& address) {
  std::vector<std::uint8_t> out;
  out.reserve(kHeader + query.question.size() + 28);
  put(out, query.id);
  // A response, recursion available, recursion desired as asked.
  put(out, static_cast<std::uint16_t>(0x8080U | (query.recursion_desired ? 0x0100U : 0U) |
                                      static_cast<unsigned>(code)));
  put(out, query.question.empty() ? 0 : 1);
  put(out, address ? 1 : 0);
  put(out, 0);
  put(out, 0);
  out.insert(out.end(), query.question.begin(), query.question.end());
  if (address) {
    put(out, 0xc000U | kHeader);  // the question's name
    put(out, address->is_v4() ? kTypeA : kTypeAaaa);
    put(out, kClassIn);
    put(out, kSecondsToLive >> 16U);
    put(out, kSecondsToLive & 0xffffU);
    const std::size_t begin = address->is_v4() ? 12 : 0;
    put(out, static_cast<std::uint16_t>(sizeof(address->bytes) - begin));
    out.insert(out.end(), address->bytes + begin, address->bytes + sizeof(address->bytes));
  }
  return out;
}

}  // namespace agentbox::egress
