// The name of a git object.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace agentbox::history {

// SHA-1 or SHA-256, as the repository has them. A value type without allocation: a repository has
// millions.
class ObjectId {
 public:
  // 40 or 64 lower-case hexadecimal digits; nothing else is one.
  static std::optional<ObjectId> parse(std::string_view hex);

  std::string hex() const;
  // 20 or 32.
  std::span<const unsigned char> bytes() const { return {bytes_.data(), size_}; }
  // All zeros: git's word for "no object".
  bool null() const;
  auto operator<=>(const ObjectId&) const = default;

  struct Hash {
    std::size_t operator()(const ObjectId& id) const {
      std::size_t value;  // the id is a hash already
      std::memcpy(&value, id.bytes_.data(), sizeof value);
      return value;
    }
  };

 private:
  std::array<unsigned char, 32> bytes_ = {};
  unsigned char size_ = 0;
};

}  // namespace agentbox::history
