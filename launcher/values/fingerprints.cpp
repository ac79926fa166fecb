#include "launcher/values/fingerprints.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace agentbox::values {
namespace {

constexpr std::size_t kShortestKey = 16;
constexpr std::size_t kLeastWords = 512, kMostWords = 128 * 1024;
constexpr std::size_t kBitsPerWindow = 40;
constexpr std::size_t kFirstHashes = 1024;

}  // namespace

Hashes::Hashes(std::string_view key)
    : memory_(kKeys * crypto_shorthash_KEYBYTES + 2 * sizeof(std::uint64_t)) {
  if (key.size() < kShortestKey) {
    throw base::Error(base::Status::kConfiguration,
                      "the key of the known values has " + std::to_string(key.size()) +
                          " bytes: it needs " + std::to_string(kShortestKey));
  }
  auto* bytes = reinterpret_cast<unsigned char*>(memory_.bytes().data());
  const std::size_t size = std::min<std::size_t>(key.size(), crypto_generichash_KEYBYTES_MAX);
  constexpr std::size_t kOut = kKeys * crypto_shorthash_KEYBYTES;
  static_assert(kOut <= crypto_generichash_BYTES_MAX);
  const auto derive = [&](unsigned char* out, std::size_t length, std::string_view purpose) {
    ::crypto_generichash(out, length, reinterpret_cast<const unsigned char*>(purpose.data()),
                         purpose.size(), reinterpret_cast<const unsigned char*>(key.data()), size);
  };
  derive(bytes, kOut, "agentbox known values: fingerprints");
  unsigned char quick[crypto_generichash_BYTES];
  derive(quick, sizeof quick, "agentbox known values: filter");
  quick[sizeof(std::uint64_t)] |= 1;  // an odd factor loses nothing
  std::memcpy(bytes + kOut, quick, 2 * sizeof(std::uint64_t));
  ::sodium_memzero(quick, sizeof quick);
  keys_ = bytes;
  quick_ = reinterpret_cast<const std::uint64_t*>(bytes + kOut);
}

FingerprintIndex::FingerprintIndex(std::vector<Fingerprint> prints) : prints_(std::move(prints)) {
  const int bits = std::max(1, static_cast<int>(std::bit_width(prints_.size())));
  shift_ = 64 - bits;
  std::sort(prints_.begin(), prints_.end(),
            [](const Fingerprint& a, const Fingerprint& b) { return a.window < b.window; });
  starts_.assign((std::size_t{1} << bits) + 1, 0);
  for (const Fingerprint& print : prints_) {
    ++starts_[(print.window >> shift_) + 1];
  }
  for (std::size_t i = 1; i < starts_.size(); ++i) {
    starts_[i] += starts_[i - 1];
  }
}

void QuickHashes::add(std::uint64_t hash) {
  if (used_ == memory_.size() / sizeof *data_) {
    resolver::Secret larger(std::max(kFirstHashes, 2 * used_) * sizeof *data_);
    if (used_ > 0) {
      std::memcpy(larger.bytes().data(), data_, used_ * sizeof *data_);
    }
    memory_ = std::move(larger);
    data_ = reinterpret_cast<std::uint32_t*>(memory_.bytes().data());
  }
  data_[used_++] = static_cast<std::uint32_t>((hash >> 32 & ~kLow) | (hash & kLow));
}

WindowFilter::WindowFilter(const QuickHashes& hashes) {
  const std::size_t words =
      std::clamp(std::bit_ceil(hashes.size() * kBitsPerWindow / 64), kLeastWords, kMostWords);
  shift_ = 64 - static_cast<int>(std::bit_width(words - 1));
  memory_ = resolver::Secret(words * sizeof(std::uint64_t));
  words_ = reinterpret_cast<std::uint64_t*>(memory_.bytes().data());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::uint64_t hash = hashes[i];
    words_[hash >> shift_] |= std::uint64_t{1} << (hash & 63) | std::uint64_t{1}
                                                                    << (hash >> 6 & 63);
  }
}

}  // namespace agentbox::values
