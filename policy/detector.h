// Finds secrets by what they look like: the kinds of credentials that services hand out, and
// assignments to names that promise one. Pure: bytes in, findings out; knows no values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace agentbox::policy {

struct SecretKind {
  std::string_view id;     // "github-token": in reports, in the log, in SARIF's ruleId
  std::string_view title;  // "GitHub access token"
};

// The value's own bytes: what is left out of what a box reads. Keys, quotes and line ends around it
// are not part of it.
struct Finding {
  std::size_t offset = 0, length = 0;  // bytes
  const SecretKind* kind = nullptr;    // never null, never freed
};

class Detector {
 public:
  // No finding, with the context that makes it one, spans more bytes than this. Who looks at a file
  // through windows lets them overlap by it, and keeps of each window the findings that begin half
  // of it or more from an edge that is not the file's: those of the whole file, each once.
  static constexpr std::size_t kReach = 16 * 1024;

  // The shipped rules. Made ready on the first call (a few milliseconds, once a process).
  // Thread-safe. Throws base::Error if memory is short.
  static const Detector& shipped();

  // Appends the findings in `text`, by offset, not overlapping. `path` (relative, may be empty) is
  // a hint: a lock file's checksums are no secrets, `.netrc` has a form of its own. Thread-safe:
  // each thread keeps its own working memory. Throws base::Error if that cannot be had: never an
  // empty answer for want of it.
  void find(std::string_view text, std::string_view path, std::vector<Finding>& findings) const;

  // Changes whenever the rules or the code that applies them do: keeps verdicts of an earlier
  // version from being used.
  std::uint64_t version() const;

  std::span<const SecretKind> kinds() const;

  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;
  ~Detector();

 private:
  Detector();
  struct Rules;
  Rules* rules_;
};

}  // namespace agentbox::policy
