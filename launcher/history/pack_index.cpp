#include "launcher/history/pack_index.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace agentbox::history {

namespace {

constexpr std::size_t kIdBytes = 20;
constexpr std::size_t kFanOut = 256;

bool read_at(int fd, std::uint64_t offset, unsigned char* bytes, std::size_t length) {
  while (length > 0) {
    const ssize_t n = ::pread(fd, bytes, length, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    bytes += n;
    offset += static_cast<std::uint64_t>(n);
    length -= static_cast<std::size_t>(n);
  }
  return true;
}

std::uint32_t number(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// Where the ids of an index stand.
struct Table {
  std::uint64_t begin = 0;   // of the first entry's id
  std::uint64_t stride = 0;  // from one id to the next
  std::array<std::uint32_t, kFanOut> upto = {};
};

bool read_table(int fd, Table* table) {
  std::array<unsigned char, 8 + kFanOut * 4> head;
  constexpr unsigned char kVersion2[8] = {0xff, 't', 'O', 'c', 0, 0, 0, 2};
  if (!read_at(fd, 0, head.data(), head.size())) {
    return false;
  }
  const bool second = std::memcmp(head.data(), kVersion2, sizeof kVersion2) == 0;
  if (!second && std::memcmp(head.data(), kVersion2, 4) == 0) {
    return false;  // a version that is not known
  }
  const std::size_t skipped = second ? 8 : 0;
  table->begin = skipped + kFanOut * 4 + (second ? 0 : 4);
  table->stride = second ? kIdBytes : kIdBytes + 4;
  for (std::size_t i = 0; i < kFanOut; ++i) {
    table->upto[i] = number(head.data() + skipped + i * 4);
    if (i > 0 && table->upto[i] < table->upto[i - 1]) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool may_hold_any(int fd, std::span<const ObjectId> ids) {
  Table table;
  if (!read_table(fd, &table)) {
    return true;
  }
  for (const ObjectId& id : ids) {
    const std::span<const unsigned char> wanted = id.bytes();
    if (wanted.size() != kIdBytes) {
      return true;
    }
    std::uint32_t low = wanted[0] == 0 ? 0 : table.upto[wanted[0] - 1u];
    std::uint32_t high = table.upto[wanted[0]];
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      std::array<unsigned char, kIdBytes> found;
      if (!read_at(fd, table.begin + middle * table.stride, found.data(), found.size())) {
        return true;
      }
      const int order = std::memcmp(found.data(), wanted.data(), kIdBytes);
      if (order == 0) {
        return true;
      }
      (order < 0 ? low : high) = order < 0 ? middle + 1 : middle;
    }
  }
  return false;
}

}  // namespace agentbox::history
