// Encoded text that was broken into lines: base64(1), openssl-base64(1), xxd -p(1), PEM, YAML.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace agentbox::values {

// A line is taken for one of encoded text from this many characters on.
inline constexpr std::size_t kShortestWrap = 16;
// The line end with the indentation, quotes or comment mark around it, bytes; more is no wrap.
inline constexpr std::size_t kLongestBreak = 24;

// How many bytes of a file `length` encoded characters take at most, broken into lines.
constexpr std::size_t wrapped_length(std::size_t length) {
  return length + (length / kShortestWrap + 2) * kLongestBreak;
}

// Whether encoded text may hold it: base64 in both alphabets, and so hexadecimal.
bool is_encoded(char c);

// Runs of encoded text without their breaks: `\n` and `\r\n`, as they are or, in a string,
// written out. Pure. Not thread-safe.
class WrappedRuns {
 public:
  explicit WrappedRuns(std::string_view text) : text_(text) { note_dumped(0); }
  ~WrappedRuns();
  WrappedRuns(const WrappedRuns&) = delete;
  WrappedRuns& operator=(const WrappedRuns&) = delete;

  // Goes on to the next run, false at the end. A long one comes in parts that overlap by `overlap`
  // characters. Most text has none, and costs what it takes to look at its line ends.
  bool next(std::size_t overlap);

  // At the end: where the first line begins that may be one of a dump (dumped.h), or npos. To look
  // at the line ends twice would cost a fifth of the search.
  std::size_t first_dumped() const { return first_dumped_; }

  // Without breaks; wiped when the next one is made.
  std::string_view joined() const { return {joined_.data(), joined_.size()}; }
  // Where a byte of joined() stands in the text.
  std::size_t place(std::size_t at) const;
  // Whether a break stands in [begin, end) of joined().
  bool is_broken(std::size_t begin, std::size_t end) const;

 private:
  struct Piece {
    std::size_t joined, place;
  };
  struct Break {
    std::size_t begin, end;  // in the text; what stands between the two lines
  };

  bool find_break(std::size_t from, Break& found);
  bool break_after(std::size_t end, Break& found);
  bool measure(std::size_t line_end, Break& found);
  void note_dumped(std::size_t line);
  std::size_t run_begin(std::size_t end, std::size_t least) const;
  std::size_t run_end(std::size_t begin) const;
  void append(std::size_t begin, std::size_t end);
  void wipe();

  const std::string_view text_;
  std::size_t newline_ = 0, escape_ = 0;  // where the next of each stands, if at or after the place
  std::size_t first_dumped_ = std::string_view::npos;
  bool first_ = true;
  std::size_t at_ = 0;      // taken so far
  bool continues_ = false;  // the run goes on at `at_`
  std::vector<char> joined_;
  std::vector<Piece> pieces_;  // by both
};

}  // namespace agentbox::values
