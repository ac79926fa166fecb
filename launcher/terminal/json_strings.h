// Values within JSON strings: a program may write any character of one as an escape (RFC 8259,
// section 7), in which no fixed form of the value would find it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "launcher/terminal/masker.h"
#include "resolver/secret.h"

namespace agentbox::terminal {

// A stream of lines, each one message: strings in which an escape hides a value are written anew,
// masked; all other bytes stay as they are, and are the Masker's to look at afterwards. A line
// waits for its end; one above kLongestMessage passes as it is. Not thread-safe; keeps a reference.
class JsonStrings {
 public:
  static constexpr std::size_t kLongestMessage = 1 << 20;  // bytes

  // Throws base::Error if memory cannot be locked.
  explicit JsonStrings(const MaskSet& masks) : masks_(masks), held_(kLongestMessage) {}

  // What can go on to the masker is given to it, and what it lets out appended to `out`.
  void feed(std::string_view input, Masker& next, std::string& out);
  void finish(Masker& next, std::string& out);

 private:
  void pass(std::string_view text, Masker& next, std::string& out);

  const MaskSet& masks_;
  resolver::Secret held_;  // a line that is not over
  std::size_t size_ = 0;   // of it
  bool passing_ = false;   // in a line that is too long
};

}  // namespace agentbox::terminal
