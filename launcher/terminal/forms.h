// The ways in which a value turns up in output: itself, encoded, escaped, quoted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::terminal {

inline constexpr std::size_t kShortestValue = 4;  // bytes; less would garble ordinary output
inline constexpr std::size_t kShortestLine = 8;   // of a multi-line value, masked by itself

// All forms of a number of values, one after another in one piece of locked memory.
// Not thread-safe. Throws base::Error if memory cannot be locked.
class Forms {
 public:
  struct Form {
    std::size_t offset, length;
    std::uint32_t name;
  };

  // Adds every form of `value` under the number `name`. A newline at the end of a value is not
  // looked for. False, and nothing added, if less than kShortestValue bytes are left.
  bool add(std::string_view value, std::uint32_t name);

  const std::vector<Form>& all() const { return forms_; }
  std::string_view text(const Form& form) const {
    return buffer_.reveal().substr(form.offset, form.length);
  }

 private:
  void put(char byte);
  void put(std::string_view bytes);
  void begin() { begin_ = used_; }
  void end(std::uint32_t name);

  void add_plain(std::string_view value, std::uint32_t name);
  void add_base64(std::string_view value, std::uint32_t name);
  void add_hexadecimal(std::string_view value, std::uint32_t name);
  void add_url(std::string_view value, std::uint32_t name);
  void add_json(std::string_view value, std::uint32_t name);
  void add_shell(std::string_view value, std::uint32_t name);

  resolver::Secret buffer_;
  std::size_t used_ = 0, begin_ = 0, first_of_value_ = 0;
  std::vector<Form> forms_;
};

}  // namespace agentbox::terminal
