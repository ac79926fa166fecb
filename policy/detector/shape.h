// The form of a token as a row of the tables writes it: "ghp_<w36>".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::policy::detect {

// Literal bytes, and runs of a class in angle brackets: <d3> three digits, <d3-5>, <d3+>.
//   d digits             h hex, lower case     H hex, upper case    x hex, either case
//   l [a-z0-9]           u [A-Z0-9]            w [A-Za-z0-9]        a letters
//   v w and _            t w, - and _          b base64's own       c b, -, _, = and %
//   s w, ., -, _ and ~
// (...) marks what is the secret in it; all, without. "|" parts alternatives. A leading "?" says
// that the literal part is so short or common that the rest must also look random; "=" that it may
// be any text. A run is taken as long as it goes: what follows it must not be of its class.
class Shape {
 public:
  struct Match {
    std::size_t begin = 0, end = 0;              // of all
    std::size_t value_begin = 0, value_end = 0;  // of the secret in it
  };

  // Throws std::invalid_argument for a row that is not of this form: seen when the rules are built.
  static std::vector<Shape> parse(std::string_view alternatives);

  // The longest literal in it, which the scan looks for.
  std::string_view anchor() const { return elements_[anchor_].literal; }

  // `at` is where anchor() stands in `text`. `loose`: what stands beside the token may be anything,
  // as between the columns of a database page.
  std::optional<Match> match(std::string_view text, std::size_t at, bool loose) const;
  // Whether `text` as a whole is of this form.
  bool covers(std::string_view text) const;

  bool needs_randomness() const { return needs_randomness_; }
  bool any_text() const { return any_text_; }
  // Of the literal that it begins with.
  std::size_t prefix_size() const { return elements_.front().literal.size(); }
  // Enough literal bytes to be known without a border in front.
  bool is_distinct() const { return anchor().size() >= 4 && !needs_randomness_; }

 private:
  struct Element {
    std::string_view literal;  // empty: a run
    std::uint16_t classes = 0;
    std::uint16_t least = 0, most = 0;
  };

  std::optional<std::size_t> forward(std::string_view text, std::size_t at,
                                     std::size_t element) const;

  std::vector<Element> elements_;
  std::size_t anchor_ = 0;
  std::size_t value_first_ = 0, value_last_ = 0;  // elements; [first, last)
  bool needs_randomness_ = false;
  bool any_text_ = false;
};

}  // namespace agentbox::policy::detect
