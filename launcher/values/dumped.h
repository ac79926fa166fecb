// Bytes that were written out for a person to read: xxd(1), hexdump(1) with and without -C, od(1)
// in characters and in hexadecimal.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace agentbox::values {

// How many bytes of a dump `length` bytes take at most, from the first of them to the end of the
// last one's line.
constexpr std::size_t dumped_length(std::size_t length) { return 5 * length + 192; }

// The bytes that dumps in a text stand for, one run of lines after another. Pure. Not thread-safe.
class DumpedRuns {
 public:
  // From the beginning of a line on.
  explicit DumpedRuns(std::string_view text, std::size_t from = 0) : text_(text), at_(from) {}
  ~DumpedRuns();
  DumpedRuns(const DumpedRuns&) = delete;
  DumpedRuns& operator=(const DumpedRuns&) = delete;

  // Goes on to the next run, false at the end. A long one comes in parts that overlap by `overlap`
  // bytes. A text without dumps costs a look at the beginnings of its lines.
  bool next(std::size_t overlap);

  // The bytes; wiped when the next run is made.
  std::string_view joined() const { return {joined_.data(), joined_.size()}; }
  // Where a byte of joined() stands in the text.
  std::size_t place(std::size_t at) const { return places_[at]; }
  // The end of the line that it stands in, with the column of characters behind.
  std::size_t line_end(std::size_t at) const;

 private:
  bool read_line(std::size_t begin);
  bool read_bytes(std::size_t at, std::size_t end, bool in_order);
  bool read_characters(std::size_t at, std::size_t end);
  void put(unsigned byte, std::size_t place);
  void keep(std::size_t bytes);

  const std::string_view text_;
  std::size_t at_;          // of the line that is looked at next
  bool continues_ = false;  // the run goes on there
  std::vector<char> joined_;
  std::vector<std::size_t> places_;
};

}  // namespace agentbox::values
