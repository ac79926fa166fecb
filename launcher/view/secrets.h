// What a view looks for in the contents of files. Implemented by who owns the session's detector
// and known values; the view knows neither.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace agentbox::view {

// Thread-safe. May make a caller wait until what is to be looked for is known.
class Secrets {
 public:
  // The value's own bytes: what is left out of what a box reads.
  struct Finding {
    std::size_t offset = 0, length = 0;  // bytes
    std::string_view what;               // "github-token": for the log; outlives the Secrets' user
  };

  // No finding, with the context that makes it one, spans more bytes than this.
  static constexpr std::size_t kReach = 16 * 1024;

  virtual ~Secrets() = default;

  // Appends what is found in `text`, by offset. `path` in terms of the rules, a hint. Throws if it
  // cannot look: never an empty answer for want of memory.
  virtual void find(std::string_view text, std::string_view path,
                    std::vector<Finding>& findings) const = 0;

  // Of what find() looks for: what it did not find once, it does not find under an equal digest.
  // Grows stricter only, so one that is asked for before find() may be used for its answer.
  virtual std::uint64_t digest() const = 0;
};

// The values that the box was given, which its programs write down by accident. Thread-safe.
class Released {
 public:
  virtual ~Released() = default;

  // No value spans more bytes in any form. 0: nothing was released, nothing needs a look.
  virtual std::size_t reach() const = 0;
  // Appends where in `text` a value stands, by offset, under its name. Throws if it cannot look.
  virtual void find(std::string_view text, std::vector<Secrets::Finding>& findings) const = 0;
};

}  // namespace agentbox::view
