#include "launcher/view/verdicts.h"

#include <sodium.h>
#include <time.h>

#include <algorithm>
#include <cstring>

namespace agentbox::view {
namespace {

static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);

constexpr std::uint64_t kWhole = ~std::uint64_t{0};
// Twice what Linux leaves a changed page unwritten (vm.dirty_expire_centisecs).
constexpr std::int64_t kSettleNanoseconds = 60'000'000'000;

}  // namespace

Verdicts::State::State(const Inode& inode, std::uint64_t searched_for)
    : identity(inode.identity),
      born(inode.born),
      modified(nanoseconds(inode.stat.st_mtim)),
      changed(nanoseconds(inode.stat.st_ctim)),
      size(inode.stat.st_size),
      digest(searched_for) {}

bool Verdicts::State::settled() const {
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return changed <= nanoseconds(now) - kSettleNanoseconds;
}

Verdicts::Verdicts() {
  if (::sodium_init() < 0) {
    fail(EIO);
  }
  ::randombytes_buf(key_.data(), key_.size());
}

std::uint64_t Verdicts::name(const State& state, std::uint64_t block) const {
  const std::uint64_t words[] = {state.identity.device,
                                 state.identity.number,
                                 static_cast<std::uint64_t>(state.born),
                                 static_cast<std::uint64_t>(state.modified),
                                 static_cast<std::uint64_t>(state.changed),
                                 static_cast<std::uint64_t>(state.size),
                                 state.digest,
                                 block};
  unsigned char bytes[sizeof words];
  std::memcpy(bytes, words, sizeof words);
  std::uint64_t name;
  unsigned char hash[crypto_shorthash_BYTES];
  ::crypto_shorthash(hash, bytes, sizeof bytes, key_.data());
  std::memcpy(&name, hash, sizeof name);
  return name;
}

bool Verdicts::known(std::uint64_t name) const {
  const std::lock_guard lock(mutex_);
  return young_.contains(name) || old_.contains(name);
}

void Verdicts::note(std::uint64_t name) {
  const std::lock_guard lock(mutex_);
  if (young_.size() >= kMost / 2) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.insert(name);
}

bool Verdicts::clean(const State& state, off_t offset, std::size_t size) const {
  const auto end =
      std::min(static_cast<std::uint64_t>(state.size), static_cast<std::uint64_t>(offset) + size);
  for (std::uint64_t block = static_cast<std::uint64_t>(offset) / kBlock; block * kBlock < end;
       ++block) {
    if (!known(name(state, block))) {
      return false;
    }
  }
  return true;
}

void Verdicts::note_clean(const State& state, off_t offset, std::size_t size) {
  const std::uint64_t end = static_cast<std::uint64_t>(offset) + size;
  const auto file_end = static_cast<std::uint64_t>(state.size);
  for (std::uint64_t block = static_cast<std::uint64_t>(offset) / kBlock; block * kBlock < end;
       ++block) {
    if (std::min((block + 1) * kBlock, file_end) <= end) {
      note(name(state, block));
    }
  }
}

bool Verdicts::holds_nothing(const State& state) const { return known(name(state, kWhole)); }

void Verdicts::note_holds_nothing(const State& state) { note(name(state, kWhole)); }

}  // namespace agentbox::view
