#include "policy/detector/shape.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::uint16_t kOpenEnd = 2048;  // the longest run: keeps each finding within kReach

struct ClassName {
  char name;
  std::uint16_t classes;
};

constexpr ClassName kClassNames[] = {
    {'d', kDigit},
    {'h', kHexLower},
    {'H', kHexUpper},
    {'x', kHex},
    {'l', kDigit | kLower},
    {'u', kDigit | kUpper},
    {'w', kAlnum},
    {'a', kLetter},
    {'v', kWord},
    {'t', kBase64Url},
    {'b', kBase64},
    {'c', kBase64 | kBase64Url | kEquals | kPercent},
    {'s', kBase64Url | kDot | kTilde},
};

[[noreturn]] void malformed(std::string_view shape) {
  throw std::invalid_argument("malformed shape: " + std::string(shape));
}

std::uint16_t number(std::string_view text, std::string_view shape) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    malformed(shape);
  }
  return value;
}

// What may stand in front of a token: no letter or digit, but for the end of an escape.
bool is_border_before(std::string_view text, std::size_t at, bool common) {
  if (at == 0) {
    return true;
  }
  const char before = text[at - 1];
  if (!is(before, kWord | kDash)) {
    // What begins like many things may stand in the middle of base64.
    return !common || !is(before, kPlusSlash);
  }
  if (at >= 2 && text[at - 2] == '\\' && std::string_view("nrtbf").find(before) != text.npos) {
    return true;  // "\nTOKEN" in a string
  }
  if (at >= 3 && text[at - 3] == '%' && is(text[at - 2], kHex) && is(before, kHex)) {
    return true;  // "%3DTOKEN" in a URL
  }
  if (at >= 6 && text[at - 6] == '\\' && text[at - 5] == 'u') {
    return true;  // "\u0022TOKEN"
  }
  if (before == 'm') {  // ESC [ 3 1 m: a colour
    std::size_t i = at - 1;
    while (i > 0 && (is(text[i - 1], kDigit) || text[i - 1] == ';')) {
      --i;
    }
    return i > 0 && text[i - 1] == '[';
  }
  return false;
}

}  // namespace

std::vector<Shape> Shape::parse(std::string_view alternatives) {
  std::vector<Shape> shapes;
  while (!alternatives.empty()) {
    const std::string_view shape = alternatives.substr(0, alternatives.find('|'));
    alternatives.remove_prefix(std::min(shape.size() + 1, alternatives.size()));
    Shape parsed;
    std::size_t i = 0;
    if (shape.starts_with("?")) {
      parsed.needs_randomness_ = true;
      ++i;
    } else if (shape.starts_with("=")) {
      parsed.any_text_ = true;
      ++i;
    }
    std::optional<std::size_t> first, last;
    while (i < shape.size()) {
      if (shape[i] == '(') {
        first = parsed.elements_.size();
        ++i;
      } else if (shape[i] == ')') {
        last = parsed.elements_.size();
        ++i;
      } else if (shape[i] == '<') {
        const std::size_t close = shape.find('>', i);
        if (close == shape.npos || close < i + 3) {
          malformed(shape);
        }
        const auto* name = std::find_if(std::begin(kClassNames), std::end(kClassNames),
                                        [&](const ClassName& n) { return n.name == shape[i + 1]; });
        if (name == std::end(kClassNames)) {
          malformed(shape);
        }
        const std::string_view count = shape.substr(i + 2, close - i - 2);
        Element element;
        element.classes = name->classes;
        const std::size_t dash = count.find('-');
        if (count.back() == '+') {
          element.least = number(count.substr(0, count.size() - 1), shape);
          element.most = kOpenEnd;
        } else if (dash != count.npos) {
          element.least = number(count.substr(0, dash), shape);
          element.most = number(count.substr(dash + 1), shape);
        } else {
          element.least = element.most = number(count, shape);
        }
        parsed.elements_.push_back(element);
        i = close + 1;
      } else {
        const std::size_t end = std::min(shape.find_first_of("<()", i), shape.size());
        Element element;
        element.literal = shape.substr(i, end - i);
        parsed.elements_.push_back(element);
        i = end;
      }
    }
    if (parsed.elements_.empty()) {
      malformed(shape);
    }
    parsed.value_first_ = first.value_or(0);
    parsed.value_last_ = last.value_or(parsed.elements_.size());
    for (std::size_t e = 0; e < parsed.elements_.size(); ++e) {
      if (parsed.elements_[e].literal.size() > parsed.elements_[parsed.anchor_].literal.size()) {
        parsed.anchor_ = e;
      }
    }
    shapes.push_back(std::move(parsed));
  }
  return shapes;
}

std::optional<Shape::Match> Shape::match(std::string_view text, std::size_t at, bool loose) const {
  std::vector<std::size_t>::size_type e = anchor_;
  // What stands before the anchor, from its end: a run takes all it can get.
  std::size_t begin = at;
  while (e > 0) {
    const Element& element = elements_[--e];
    if (!element.literal.empty()) {
      if (begin < element.literal.size() ||
          text.substr(begin - element.literal.size(), element.literal.size()) != element.literal) {
        return std::nullopt;
      }
      begin -= element.literal.size();
      continue;
    }
    std::size_t length = 0;
    while (length < element.most && length < begin &&
           is(text[begin - length - 1], element.classes)) {
      ++length;
    }
    if (length < element.least) {
      return std::nullopt;
    }
    begin -= length;
  }
  if (!(loose && is_distinct()) && !is_border_before(text, begin, needs_randomness_)) {
    return std::nullopt;
  }
  Match match;
  match.begin = begin;
  std::size_t place = begin;
  for (e = 0; e < elements_.size(); ++e) {
    if (e == value_first_) {
      match.value_begin = place;
    }
    const auto next = forward(text, place, e);
    if (!next) {
      return std::nullopt;
    }
    place = *next;
    if (e + 1 == value_last_) {
      match.value_end = place;
    }
  }
  match.end = place;
  const Element& last = elements_.back();
  const bool fixed = last.least == last.most && last.literal.empty();
  if (!(loose && is_distinct() && fixed) && place < text.size() &&
      is(text[place], static_cast<std::uint16_t>(kAlnum | last.classes))) {
    return std::nullopt;
  }
  return match;
}

std::optional<std::size_t> Shape::forward(std::string_view text, std::size_t at,
                                          std::size_t element) const {
  const Element& e = elements_[element];
  if (!e.literal.empty()) {
    return text.substr(at, e.literal.size()) == e.literal ? std::optional(at + e.literal.size())
                                                          : std::nullopt;
  }
  std::size_t length = 0;
  while (length < e.most && at + length < text.size() && is(text[at + length], e.classes)) {
    ++length;
  }
  return length >= e.least ? std::optional(at + length) : std::nullopt;
}

bool Shape::covers(std::string_view text) const {
  std::size_t place = 0;
  for (std::size_t e = 0; e < elements_.size(); ++e) {
    const auto next = forward(text, place, e);
    if (!next) {
      return false;
    }
    place = *next;
  }
  return place == text.size();
}

}  // namespace agentbox::policy::detect
