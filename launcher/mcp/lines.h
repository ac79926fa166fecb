// A stream cut into lines of a bounded length. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::mcp {

// What MCP calls a message on standard input and output: one line (specification 2026-07-28,
// "stdio").
inline constexpr std::size_t kLongestLine = 1 << 20;

// Not thread-safe. Holds at most one line more than what was added last.
class LineReader {
 public:
  struct Line {
    std::string text;       // without its end ("\n" or "\r\n")
    bool too_long = false;  // text is empty then: the line was passed over
  };

  explicit LineReader(std::size_t longest = kLongestLine) : longest_(longest) {}

  void add(std::string_view bytes);
  // The next whole line; nullopt if there is none yet. Empty lines are left out.
  std::optional<Line> next();

 private:
  const std::size_t longest_;
  std::string buffer_;
  std::size_t searched_ = 0;  // of the buffer: no line ends there
  bool skipping_ = false;     // in a line that is too long
};

}  // namespace agentbox::mcp
