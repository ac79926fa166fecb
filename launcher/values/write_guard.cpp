#include "launcher/values/write_guard.h"

#include <sodium.h>

#include <algorithm>
#include <string_view>

namespace agentbox::values {
namespace {

constexpr char kMark = '*';

void wipe(std::vector<char>& bytes) {
  ::sodium_memzero(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace

WriteGuard::~WriteGuard() {
  wipe(tail_);
  wipe(masked_);
}

// Both parts of a search: what reaches from the last write into this one, and this one.
void WriteGuard::find(std::uint64_t offset, std::string_view text) {
  matches_.clear();
  hits_.clear();
  if (offset == tail_end_ && !tail_.empty()) {
    const std::size_t before = tail_.size();
    const std::size_t reach = std::min(text.size(), set_->reach() - 1);
    tail_.insert(tail_.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(reach));
    set_->find({tail_.data(), tail_.size()}, matches_);
    for (const Match& match : matches_) {
      if (match.offset < before && match.offset + match.length > before) {
        const std::size_t written = before - match.offset;
        hits_.push_back({offset - written, match.length, written, match.source});
      }
    }
    ::sodium_memzero(tail_.data() + before, reach);
    tail_.resize(before);
    matches_.clear();
  }
  set_->find(text, matches_);
  for (const Match& match : matches_) {
    const std::uint64_t begin = offset + match.offset, end = begin + match.length;
    if (!hits_.empty() && begin < hits_.back().offset + hits_.back().length) {
      Hit& last = hits_.back();
      last.length = std::max<std::size_t>(last.length, end - last.offset);
    } else {
      hits_.push_back({begin, match.length, 0, match.source});
    }
  }
}

// What the next write may continue: the end of all that was written without a gap.
void WriteGuard::remember(std::uint64_t offset, std::string_view text) {
  if (offset != tail_end_) {
    wipe(tail_);
  }
  const std::size_t keep = set_->reach() - 1;
  const std::string_view end = text.substr(text.size() - std::min(text.size(), keep));
  const std::size_t old = std::min(tail_.size(), keep - end.size());
  // Moved to the front in place: a vector that grew would leave a copy behind.
  tail_.reserve(keep);
  std::copy(tail_.end() - static_cast<std::ptrdiff_t>(old), tail_.end(), tail_.begin());
  tail_.resize(old);
  tail_.insert(tail_.end(), end.begin(), end.end());
  tail_end_ = offset + text.size();
}

WriteGuard::Result WriteGuard::check(std::uint64_t offset, std::span<const char> bytes) {
  if (released_.empty() || bytes.empty()) {
    return {false, bytes, {}};
  }
  if (const std::uint64_t now = released_.generation(); !set_ || now != generation_) {
    set_ = released_.snapshot();
    generation_ = now;
    // Room for both parts of a search across the border, so that neither is ever moved.
    std::vector<char> larger;
    larger.reserve(2 * set_->reach());
    larger.assign(tail_.begin(), tail_.end());
    wipe(tail_);
    tail_.swap(larger);
  }
  wipe(masked_);
  const std::string_view text(bytes.data(), bytes.size());
  find(offset, text);
  if (!hits_.empty() && choice_ == Choice::kDeny) {
    return {true, bytes, hits_};  // not written: the file still ends where it did
  }
  remember(offset, text);
  if (hits_.empty()) {
    return {false, bytes, {}};
  }
  masked_.assign(bytes.begin(), bytes.end());
  for (const Hit& hit : hits_) {
    const auto begin =
        masked_.begin() + static_cast<std::ptrdiff_t>(hit.offset + hit.written - offset);
    std::replace_if(
        begin, begin + static_cast<std::ptrdiff_t>(hit.length - hit.written),
        [](char c) { return c != '\n'; }, kMark);
  }
  return {false, masked_, hits_};
}

}  // namespace agentbox::values
