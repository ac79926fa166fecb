// Detector: the scan for anchors, what each may be the sign of, and which of the findings stay.
#include "policy/detector.h"

#include <hs/hs_common.h>
#include <hs/hs_runtime.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "base/error.h"
#include "policy/detector/anchor_database.h"
#include "policy/detector/anchors.h"
#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"

namespace agentbox::policy {

namespace {

using namespace detect;

struct FreeDatabase {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
};
struct FreeScratch {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

[[noreturn]] void fail(const char* what) {
  throw base::Error(base::Status::kFailed, std::string("cannot search for secrets: ") + what,
                    "free some memory and start again");
}

}  // namespace

struct Detector::Rules {
  std::vector<Anchor> anchors = make_anchors();
  std::vector<SecretKind> kinds = all_kinds();
  std::unique_ptr<hs_database_t, FreeDatabase> database;
  // A thread's own is a copy of it.
  std::unique_ptr<hs_scratch_t, FreeScratch> scratch;

  static int on_match(unsigned number, unsigned long long, unsigned long long end, unsigned,
                      void* of);
};

namespace {

// "_ZN3foo5valueE", "_RNvC5crate3key": names that compilers make of a program's own (the Itanium
// C++ ABI, 5.1; Rust's RFC 2603) have any letters behind one another.
bool is_in_symbol(std::string_view text, std::size_t at) {
  constexpr std::size_t kMost = 2048;
  std::size_t begin = at;
  while (begin > 0 && at - begin < kMost &&
         (is(text[begin - 1], kWord | kDot) || text[begin - 1] == '$')) {
    --begin;
  }
  for (std::size_t i = begin; i + 2 < at; ++i) {
    if (text[i] == '_' && (i == begin || !is(text[i - 1], kAlnum)) &&
        (((text[i + 1] == 'Z' || text[i + 1] == 'R') && is(text[i + 2], kAlnum)))) {
      return true;
    }
  }
  return false;
}

void match_token(Scan& scan, const TokenShape& token, std::size_t at) {
  auto match = token.shape.match(scan.text, at, false);
  if (!match && token.shape.is_distinct() && scan.touches_binary(at)) {
    match = token.shape.match(scan.text, at, true);
  }
  if (!match) {
    return;
  }
  const std::string_view value = scan.part(match->value_begin, match->value_end);
  // Its own prefix is no part of what must be random.
  const std::size_t prefix = match->value_begin == match->begin ? token.shape.prefix_size() : 0;
  const std::string_view body = value.substr(std::min(prefix, value.size()));
  // Account numbers in front of it may be what they like: the last part is the secret.
  std::size_t last = body.size();
  while (last > 0 && is(body[last - 1], kAlnum)) {
    --last;
  }
  constexpr std::size_t kLeastPart = 16;
  if (is_placeholder(body.size() - last >= kLeastPart ? body.substr(last) : body)) {
    return;
  }
  if (!token.shape.any_text() && body.size() >= 12) {
    const double strange = strangeness(body.substr(0, 256));
    if ((strange < (token.shape.needs_randomness() ? 0.4 : 0.22) && !is_jumbled(body)) ||
        entropy(body.substr(0, 256)) < (body.size() < 16 ? 2.3 : 2.7)) {
      return;
    }
  }
  if (match->begin > 0 && is(scan.text[match->begin - 1], kWord | kDot) &&
      is_in_symbol(scan.text, match->begin)) {
    return;
  }
  scan.add(match->value_begin, match->value_end, *token.kind, kByToken);
}

struct Search {
  const std::vector<Anchor>& anchors;
  Scan scan;
  std::exception_ptr failure;
};

}  // namespace

int Detector::Rules::on_match(unsigned number, unsigned long long, unsigned long long end, unsigned,
                              void* of) {
  Search& search = *static_cast<Search*>(of);
  const Anchor& anchor = search.anchors[number];
  const std::size_t begin = end - anchor.literal.size();
  try {
    for (const TokenShape& token : anchor.shapes) {
      match_token(search.scan, token, begin);
    }
    for (const Handler handler : anchor.handlers) {
      handler(search.scan, begin, end);
    }
    return 0;
  } catch (...) {  // may not pass through the library
    search.failure = std::current_exception();
    return 1;
  }
}

Detector::Detector() : rules_(new Rules) {
  hs_database_t* database = nullptr;
  if (hs_deserialize_database(reinterpret_cast<const char*>(kAnchorDatabase), kAnchorDatabaseSize,
                              &database) != HS_SUCCESS) {
    fail("its rules cannot be loaded");
  }
  rules_->database.reset(database);
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) {
    fail("memory is short");
  }
  rules_->scratch.reset(scratch);
}

Detector::~Detector() { delete rules_; }

const Detector& Detector::shipped() {
  // Never destroyed: a thread may be searching while the process ends.
  static const Detector* const detector = new Detector;
  return *detector;
}

std::uint64_t Detector::version() const { return kAnchorVersion; }

std::span<const SecretKind> Detector::kinds() const { return rules_->kinds; }

void Detector::find(std::string_view text, std::string_view path,
                    std::vector<Finding>& findings) const {
  if (text.empty()) {
    return;  // it may have no address, which the library refuses
  }
  thread_local std::unique_ptr<hs_scratch_t, FreeScratch> scratch;
  thread_local std::vector<Candidate> candidates;
  if (!scratch) {
    hs_scratch_t* own = nullptr;
    if (hs_clone_scratch(rules_->scratch.get(), &own) != HS_SUCCESS) {
      fail("memory is short");
    }
    scratch.reset(own);
  }
  candidates.clear();
  Search search{rules_->anchors, Scan{text, PathHints(path), candidates}, nullptr};
  find_by_path(search.scan);

  // The library counts in 32 bits.
  constexpr std::size_t kMost = std::size_t{1} << 30;
  if (text.size() > kMost) {
    throw base::Error(base::Status::kFailed, "cannot search more than 1 GiB for secrets at once");
  }
  const hs_error_t result =
      hs_scan(rules_->database.get(), text.data(), static_cast<unsigned>(text.size()), 0,
              scratch.get(), Rules::on_match, &search);
  if (search.failure) {
    std::rethrow_exception(search.failure);
  }
  if (result != HS_SUCCESS) {
    fail("the search library failed");
  }

  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.begin != b.begin ? a.begin < b.begin
           : a.rank != b.rank ? a.rank > b.rank
                              : a.end > b.end;
  });
  const std::size_t first = findings.size();
  Rank last_rank = kByName;
  for (const Candidate& candidate : candidates) {
    if (findings.size() > first) {
      Finding& last = findings.back();
      if (candidate.begin < last.offset + last.length) {
        if (candidate.rank != last_rank && std::min(candidate.rank, last_rank) == kByName) {
          // What has a form of its own is surer of where it ends.
          if (candidate.rank > last_rank) {
            last = {candidate.begin, candidate.end - candidate.begin, candidate.kind};
            last_rank = candidate.rank;
          }
          continue;
        }
        // All bytes of the two are left out, under the surer one's name.
        if (candidate.end - last.offset > kReach / 2) {
          const std::size_t end = last.offset + last.length;
          if (candidate.end > end) {
            findings.push_back({end, candidate.end - end, candidate.kind});
            last_rank = candidate.rank;
          }
          continue;
        }
        last.length = std::max(last.offset + last.length, candidate.end) - last.offset;
        if (candidate.rank > last_rank) {
          last.kind = candidate.kind;
          last_rank = candidate.rank;
        }
        continue;
      }
    }
    findings.push_back({candidate.begin, candidate.end - candidate.begin, candidate.kind});
    last_rank = candidate.rank;
  }
}

}  // namespace agentbox::policy
