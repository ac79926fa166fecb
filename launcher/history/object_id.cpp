#include "launcher/history/object_id.h"

#include <algorithm>

#include "base/encode.h"

namespace agentbox::history {

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::optional<ObjectId> ObjectId::parse(std::string_view hex) {
  if (hex.size() != 40 && hex.size() != 64) {
    return std::nullopt;
  }
  ObjectId id;
  id.size_ = static_cast<unsigned char>(hex.size() / 2);
  for (std::size_t i = 0; i < id.size_; ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    id.bytes_[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return id;
}

std::string ObjectId::hex() const {
  return base::hex({reinterpret_cast<const char*>(bytes_.data()), size_});
}

bool ObjectId::null() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](unsigned char byte) { return byte == 0; });
}

}  // namespace agentbox::history
