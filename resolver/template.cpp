#include "resolver/template.h"

#include <algorithm>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::resolver {

namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

[[noreturn]] void fail(const std::string& file, std::string_view before, const std::string& what) {
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  throw base::Error(base::Status::kConfiguration,
                    base::printable(file) + ":" + std::to_string(line) + ": " + what,
                    "write a reference like {{ op://vault/item/field }}");
}

}  // namespace

Template parse_template(std::string_view text, const std::string& file) {
  Template pieces;
  bool refers = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = text.find(kOpen, at);
    if (open != at) {
      pieces.emplace_back(std::string(text.substr(at, open - at)));
    }
    if (open == std::string_view::npos) {
      break;
    }
    const std::size_t close = text.find(kClose, open);
    if (close == std::string_view::npos) {
      fail(file, text.substr(0, open), "\"{{\" is not closed");
    }
    const std::string_view inner =
        trim(text.substr(open + kOpen.size(), close - open - kOpen.size()));
    if (!is_reference(inner)) {
      fail(file, text.substr(0, open), "\"{{ … }}\" holds no reference");
    }
    pieces.emplace_back(parse_reference(inner));
    refers = true;
    at = close + kClose.size();
  }
  if (!refers) {
    fail(file, {}, "the template refers to no secret");
  }
  return pieces;
}

}  // namespace agentbox::resolver
