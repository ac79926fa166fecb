#include "launcher/scan/contents.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace agentbox::scan {

namespace {

constexpr std::size_t kReach = std::max(policy::Detector::kReach, values::ValueSet::kReach);
// What one window leaves to the next begins one reach before its end, and is judged there with one
// reach of what stands before it.
constexpr std::size_t kOverlap = 2 * kReach;
constexpr std::size_t kWindow = 1024 * 1024;
static_assert(kWindow >= 4 * kOverlap);

// A place in the text, moved on over what stands between.
struct Place {
  std::size_t line = 1;
  std::size_t column = 1;

  void pass(std::string_view text) {
    const std::size_t last = text.rfind('\n');
    if (last != std::string_view::npos) {
      line += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      column = 1;
      text.remove_prefix(last + 1);
    }
    column += static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
  }
};

}  // namespace

Searcher::Searcher(const policy::Detector& detector, std::shared_ptr<const values::ValueSet> known)
    : detector_(detector), known_(std::move(known)), window_(kWindow) {}

// What the detector and the known values say of one window, joined where they mean the same bytes.
void Searcher::find(std::string_view window, std::string_view path) {
  findings_.clear();
  matches_.clear();
  hits_.clear();
  detector_.find(window, path, findings_);
  known_->find(window, matches_);
  for (const policy::Finding& finding : findings_) {
    hits_.push_back({finding.offset, finding.offset + finding.length, finding.kind, std::nullopt});
  }
  for (const values::Match& match : matches_) {
    hits_.push_back({match.offset, match.offset + match.length, nullptr, match.source});
  }
  if (findings_.empty() || matches_.empty()) {
    return;
  }
  std::sort(hits_.begin(), hits_.end(),
            [](const Hit& a, const Hit& b) { return a.offset < b.offset; });
  std::size_t kept = 0;
  for (const Hit& hit : hits_) {
    Hit* const last = kept == 0 ? nullptr : &hits_[kept - 1];
    if (last == nullptr || hit.offset >= last->end) {
      hits_[kept++] = hit;
      continue;
    }
    last->end = std::max(last->end, hit.end);
    last->kind = last->kind != nullptr ? last->kind : hit.kind;
    last->source = last->source ? last->source : hit.source;
  }
  hits_.resize(kept);
}

Searched Searcher::search(int fd, std::string_view path, std::size_t room,
                          std::vector<Spot>& spots) {
  Searched searched;
  const std::span<char> bytes = window_.bytes();
  Place start;             // of the window's first byte
  std::size_t have = 0;    // what the window holds of the one before
  std::size_t judged = 0;  // of that, what was judged there
  for (bool last = false; !last;) {
    const ssize_t count = read_fully(fd, bytes.subspan(have));
    if (count < 0) {
      searched.error = errno;
      return searched;
    }
    searched.bytes += static_cast<std::uint64_t>(count);
    const std::string_view window(bytes.data(), have + static_cast<std::size_t>(count));
    last = window.size() < bytes.size();
    const std::size_t limit = last ? window.size() : window.size() - kReach;
    find(window, path);
    Place at = start;
    std::size_t passed = 0;
    for (const Hit& hit : hits_) {
      if (hit.offset < judged || hit.offset >= limit) {
        continue;
      }
      if (spots.size() >= room) {
        ++searched.more;
        continue;
      }
      at.pass(window.substr(passed, hit.offset - passed));
      passed = hit.offset;
      Place end = at;
      end.pass(window.substr(hit.offset, hit.end - hit.offset));
      spots.push_back({at.line, at.column, end.line, end.column, hit.kind, hit.source});
    }
    if (!last) {
      start.pass(window.substr(0, window.size() - kOverlap));
      std::copy(bytes.end() - kOverlap, bytes.end(), bytes.begin());
      have = kOverlap;
      judged = kOverlap - kReach;
    }
  }
  return searched;
}

}  // namespace agentbox::scan
