#include <algorithm>
#include <cstddef>

#include "launcher/values/written_values.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kSyntax = "{}[],:\"";

// Past the end of the string that is open at text[at], or npos.
std::size_t end_of_string(std::string_view text, std::size_t at, char quote) {
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      return at;
    } else if (quote == '\'' && text[at] == '\n') {
      return std::string_view::npos;  // an apostrophe
    }
  }
  return std::string_view::npos;
}

}  // namespace

void json_values(std::string_view text, std::string_view key, Collector& collector) {
  bool closed = true;  // whether each string so far had an end
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    std::string_view written;
    bool quoted = false;
    if (kBlank.find(c) != std::string_view::npos ||
        (kSyntax.find(c) != std::string_view::npos && c != '"')) {
      ++at;
      continue;
    }
    const bool opens = (c == '"' && closed) || c == '\'';
    if (opens) {
      const std::size_t end = end_of_string(text, at + 1, c);
      if (end == std::string_view::npos) {
        closed = closed && c != '"';
        ++at;
        continue;
      }
      written = text.substr(at + 1, end - at - 1);
      quoted = true;
      at = end + 1;
    } else {
      const std::size_t end = std::min(text.find_first_of("{}[],\" \t\r\n", at + 1), text.size());
      written = text.substr(at, end - at);
      at = end;
      if (written.size() > 1 && written.back() == ':') {
        key = written.substr(0, written.size() - 1);
        continue;
      }
    }
    const std::size_t next = text.find_first_not_of(kBlank, at);
    if (quoted && next != std::string_view::npos && text[next] == ':') {
      key = written;
      at = next + 1;
    } else if (quoted) {
      collector.quoted(written, key);
    } else {
      collector.value(written, key);
    }
  }
}

}  // namespace agentbox::values
