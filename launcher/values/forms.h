// The ways in which a value turns up in output and in files: itself, encoded, escaped, quoted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::values {

inline constexpr std::size_t kShortestValue = 4;  // bytes; less would garble ordinary output
inline constexpr std::size_t kShortestLine = 8;   // of a multi-line value, masked by itself

// Without the newlines at its end, which are not part of a value.
std::string_view trim_newlines(std::string_view value);

// The lines of a value of several, which programs indent, number and quote, so that each is looked
// for by itself. Without white space around them; none for a value of one line.
std::vector<std::string_view> secret_lines(std::string_view value);

// All forms of a number of values, one after another in one piece of locked memory.
// Not thread-safe. Throws base::Error if memory cannot be locked.
class Forms {
 public:
  struct Form {
    std::size_t offset, length;
    std::uint32_t name;
    // In base64 the character before or after it holds bits of the value and of its neighbour.
    bool shares_before = false, shares_after = false;
  };

  // Adds every form of `value`, and each of its secret_lines(), under the number `name`. False, and
  // nothing added, if less than kShortestValue bytes are left of it without newlines at its end.
  bool add(std::string_view value, std::uint32_t name);
  // Adds every form of `value` alone, or only the text itself. Of less than kShortestValue nothing.
  void add_encodings(std::string_view value, std::uint32_t name);
  void add_literal(std::string_view text, std::uint32_t name);
  // Adds the text in base64 without line breaks, unshifted: as a line of a longer encoding.
  void add_base64_line(std::string_view text, std::uint32_t name);
  // Wipes all forms; the memory is kept.
  void clear();

  const std::vector<Form>& all() const { return forms_; }
  std::string_view text(const Form& form) const {
    return buffer_.reveal().substr(form.offset, form.length);
  }

 private:
  void put(char byte);
  void put(std::string_view bytes);
  void begin() { begin_ = used_; }
  bool end(std::uint32_t name);

  void add_plain(std::string_view value, std::uint32_t name);
  void add_base64(std::string_view value, std::uint32_t name);
  void encode_base64(std::string_view value, std::uint32_t name, const char* alphabet,
                     std::size_t shift, std::size_t width, std::string_view newline);
  void add_hexadecimal(std::string_view value, std::uint32_t name);
  void add_url(std::string_view value, std::uint32_t name);
  void add_json(std::string_view value, std::uint32_t name);
  void add_shell(std::string_view value, std::uint32_t name);

  resolver::Secret buffer_;
  std::size_t used_ = 0, begin_ = 0, first_of_value_ = 0;
  std::vector<Form> forms_;
};

}  // namespace agentbox::values
