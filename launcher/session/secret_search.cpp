#include "launcher/session/secret_search.h"

#include <sodium.h>

#include <array>
#include <utility>

#include "policy/detector.h"

namespace agentbox::session {
namespace {

static_assert(view::Secrets::kReach >= policy::Detector::kReach);
static_assert(view::Secrets::kReach >= values::ValueSet::kReach);

// A session's own: nothing that is made with it is kept.
struct Key {
  Key() { ::randombytes_buf(bytes.data(), bytes.size()); }
  ~Key() { ::sodium_memzero(bytes.data(), bytes.size()); }
  std::string_view view() const { return {bytes.data(), bytes.size()}; }
  std::array<char, 32> bytes;
};

}  // namespace

SecretSearch::SecretSearch(std::function<void()> changed)
    : changed_(std::move(changed)), known_(Key().view()) {}

std::uint32_t SecretSearch::source(std::string text) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::move(text));
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

void SecretSearch::know(const std::vector<Released>& released) {
  const std::uint64_t before = known_.generation();
  for (const Released& one : released) {
    if (one.sensitive) {
      known_.add(one.value.reveal(), one.env, source("secret " + one.name));
    }
  }
  if (known_.generation() != before) {
    changed_();
  }
}

void SecretSearch::find(std::string_view text, std::string_view path,
                        std::vector<Finding>& findings) const {
  thread_local std::vector<policy::Finding> kinds;
  kinds.clear();
  policy::Detector::shipped().find(text, path, kinds);
  for (const policy::Finding& finding : kinds) {
    findings.push_back({finding.offset, finding.length, finding.kind->id});
  }
  thread_local std::vector<values::Match> matches;
  matches.clear();
  known_.snapshot()->find(text, matches);
  if (matches.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const values::Match& match : matches) {
    findings.push_back({match.offset, match.length, sources_.at(match.source)});
  }
}

std::uint64_t SecretSearch::digest() const {
  // Two numbers that are as good as random each.
  return policy::Detector::shipped().version() * 0x9E3779B97F4A7C15u ^ known_.snapshot()->digest();
}

}  // namespace agentbox::session
