#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "launcher/values/written_values.h"
#include "resolver/secret.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::size_t kLongestQuoted = 64 * 1024;  // over several lines
constexpr std::size_t kLongestName = 128;
constexpr std::size_t kCostOfAJoin = 64;  // bytes that could be read meanwhile

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), is_name_character);
}

// "export NAME=…" and the like: what stands before a name.
std::string_view without_keywords(std::string_view line) {
  constexpr std::string_view kKeywords[] = {
      "export ", "set ", "declare -x ", "readonly ", "local ", "ENV ", "ARG ",
      "const ",  "let ", "var ",        "- ",        "$env:",  "? "};
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view keyword : kKeywords) {
      if (line.starts_with(keyword)) {
        line = trim(line.substr(keyword.size()));
        found = true;
      }
    }
  }
  return line;
}

struct Assignment {
  std::string_view name, value;  // the value as it is written, up to the end of the line
  bool found = false;
};

std::string_view unquoted_name(std::string_view name) {
  name = trim(name);
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
      name.back() == name.front()) {
    name = name.substr(1, name.size() - 2);
  }
  return name;
}

Assignment assignment(std::string_view line) {
  const auto make = [&](std::size_t end, std::size_t separator) {
    return Assignment{unquoted_name(line.substr(0, end)), trim(line.substr(end + separator)), true};
  };
  const std::size_t equals = line.find('=');
  const std::size_t colon = line.find(": ");
  if (colon != std::string_view::npos && (equals == std::string_view::npos || colon < equals) &&
      colon <= kLongestName) {
    return make(colon, 1);
  }
  if (equals != std::string_view::npos && equals > 0 && equals <= kLongestName) {
    // Registries stand in names of .npmrc: "//registry.example/:_authToken=".
    const std::string_view name = trim(line.substr(0, equals));
    const std::size_t space = name.find_first_of(" \t\"'(");
    if (space == std::string_view::npos || name.front() == '"' || name.front() == '\'' ||
        (std::count(name.begin(), name.end(), ' ') < 3 &&
         name.find_first_of("\"'(") == std::string_view::npos)) {
      // ":=" and "=>" assign elsewhere, "==" compares.
      std::size_t separator = 1;
      while (equals + separator < line.size() && separator < 3 &&
             (line[equals + separator] == '>' || line[equals + separator] == '=')) {
        ++separator;
      }
      Assignment found = make(equals, separator);
      if (found.name.ends_with(':')) {
        found.name = trim(found.name.substr(0, found.name.size() - 1));
      }
      return found;
    }
  }
  if (const std::size_t first = line.find(':'); first != std::string_view::npos) {
    const std::string_view name = unquoted_name(line.substr(0, first));
    if (is_name(name) && line.substr(first + 1, 2) != "//") {
      return make(first, 1);
    }
  }
  // "setenv NAME value", "password value".
  const std::string_view rest = line.starts_with("setenv ") ? trim(line.substr(7)) : line;
  const std::size_t space = rest.find_first_of(" \t");
  if (space != std::string_view::npos && is_name(rest.substr(0, space))) {
    const std::string_view value = trim(rest.substr(space));
    if (value.find_first_of(" \t") == std::string_view::npos || value.front() == '"' ||
        value.front() == '\'') {
      return {rest.substr(0, space), value, true};
    }
  }
  return {};
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

class Lines {
 public:
  Lines(std::string_view text, bool source, Collector& collector)
      : text_(text), source_(source), collector_(collector) {}

  void run() {
    while (next_ < text_.size()) {
      const std::size_t end = std::min(text_.find('\n', next_), text_.size());
      line_ = text_.substr(next_, end - next_);
      next_ = end + 1;
      one();
    }
  }

 private:
  void one() {
    std::string_view line = trim(line_);
    if (line.starts_with("-----BEGIN ")) {
      in_key_ = true;
    }
    if (in_key_) {
      in_key_ = !line.starts_with("-----END ");
      return;
    }
    // What is commented out was a value once.
    while (!line.empty() &&
           (line.front() == '#' || line.front() == ';' || line.starts_with("//"))) {
      if (line.starts_with("//") && line.find(":_") != std::string_view::npos) {
        break;  // a registry in .npmrc
      }
      line = trim(line.substr(1));
    }
    line = without_keywords(line);
    if (line.empty() || (line.front() == '[' && line.back() == ']' &&
                         line.find_first_of("\"',") == std::string_view::npos)) {
      return;
    }
    const Assignment found = assignment(line);
    if (found.found) {
      assigned(found.name, found.value);
    } else {
      loose(line);
    }
  }

  void assigned(std::string_view name, std::string_view value) {
    if (value.empty()) {
      return;
    }
    const bool shell = value.starts_with("$'");
    if (shell) {
      value.remove_prefix(1);
    }
    const char first = value.front();
    if (first == '"' || first == '\'' || first == '`') {
      if (quoted(name, value, first, shell || first == '"')) {
        return;
      }
    } else if ((first == '|' || first == '>') &&
               value.find_first_not_of("|>+-0123456789 ") == std::string_view::npos) {
      block(name);
      return;
    } else if (first == '{' || first == '[') {
      json_values(value, name, collector_);
      return;
    } else if (value.ends_with('\\')) {
      continued(name, value);
      return;
    }
    bare(name, value);
  }

  void bare(std::string_view name, std::string_view value) {
    if (source_) {
      loose(value);
      return;
    }
    collector_.quoted(value, name);
    std::string_view cut = value;
    for (const std::string_view comment : {" #", " //", " ;"}) {
      cut = trim(cut.substr(0, cut.find(comment)));
    }
    while (!cut.empty() && (cut.back() == ',' || cut.back() == ';')) {
      cut.remove_suffix(1);
    }
    if (cut.size() != value.size()) {
      collector_.quoted(cut, name);
    }
  }

  // A quoted value, which may go on over lines; these are looked at by themselves nevertheless, for
  // the quote may have been an apostrophe.
  bool quoted(std::string_view name, std::string_view value, char quote, bool escapes) {
    const auto at = static_cast<std::size_t>(value.data() - text_.data());
    const std::string_view rest = text_.substr(at, kLongestQuoted);
    const char triple[] = {quote, quote, quote};
    const std::string_view three(triple, sizeof triple);
    if (rest.starts_with(three) && budget_ > 0) {
      const std::size_t end = rest.find(three, three.size());
      spend(std::min(end, rest.size()));
      if (end != std::string_view::npos) {
        give(name, rest.substr(three.size(), end - three.size()), escapes);
        return true;
      }
    }
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == '\\' && escapes) {
        ++i;
      } else if (rest[i] == quote) {
        give(name, rest.substr(1, i - 1), escapes);
        // 'it''s' in YAML, 'it'\''s' in a shell; "key": "value", "key": … on one line.
        if (i + 1 < value.size()) {
          loose(value.substr(i + 1));
        }
        return true;
      }
    }
    return false;
  }

  void give(std::string_view name, std::string_view value, bool escapes) {
    if (escapes) {
      collector_.quoted(value, name);
    } else {
      collector_.value(value, name);
      collector_.keys(value);
    }
  }

  // The lines after this one that are indented further, as one value (YAML).
  void block(std::string_view name) {
    const std::size_t outer = indentation(line_);
    if (budget_ == 0) {
      return;
    }
    resolver::SecretBuilder joined;
    std::size_t inner = 0;
    for (std::size_t at = next_; at < text_.size() && joined.size() < kLongestQuoted;) {
      const std::size_t end = std::min(text_.find('\n', at), text_.size());
      const std::string_view line = text_.substr(at, end - at);
      at = end + 1;
      const bool blank = trim(line).empty();
      if (!blank && indentation(line) <= outer) {
        break;
      }
      if (!blank && inner == 0) {
        inner = indentation(line);
      }
      joined.append(line.substr(std::min(inner, indentation(line))));
      joined.append("\n");
    }
    spend(joined.size());
    const resolver::Secret value = joined.take();
    collector_.keys(value.reveal());
    collector_.value(value.reveal(), name);
  }

  // A value over lines that end in a backslash (properties, shell).
  void continued(std::string_view name, std::string_view value) {
    if (budget_ == 0) {
      return bare(name, value);
    }
    resolver::SecretBuilder joined;
    std::size_t at = next_;
    while (value.ends_with('\\') && joined.size() < kLongestQuoted) {
      joined.append(value.substr(0, value.size() - 1));
      if (at >= text_.size()) {
        value = {};
        break;
      }
      const std::size_t end = std::min(text_.find('\n', at), text_.size());
      value = trim(text_.substr(at, end - at));
      at = end + 1;
    }
    joined.append(value);
    spend(joined.size());
    const resolver::Secret whole = joined.take();
    bare(name, whole.reveal());
  }

  // Strings and words of a line of no known form.
  void loose(std::string_view line) {
    // <name>value</name>
    for (std::size_t open = line.find('<'); open != std::string_view::npos;
         open = line.find('<', open + 1)) {
      const std::size_t close = line.find('>', open);
      const std::size_t end = close == std::string_view::npos ? close : line.find('<', close);
      if (end == std::string_view::npos) {
        break;
      }
      if (const std::string_view name = line.substr(open + 1, close - open - 1);
          is_name(name) && line.substr(end, 2) == "</") {
        collector_.value(line.substr(close + 1, end - close - 1), name);
      }
    }
    json_values(line, "", collector_);
    if (line.size() <= kLongestQuoted) {
      collector_.value(line, "");
    }
  }

  // What is read again for the values of several lines is limited, so that the whole stays linear.
  void spend(std::size_t bytes) { budget_ -= std::min(budget_, bytes + kCostOfAJoin); }

  std::string_view text_, line_;
  std::size_t budget_ = 4 * text_.size() + 16 * kLongestQuoted;
  std::size_t next_ = 0;  // where the line after line_ begins
  bool source_ = false;
  bool in_key_ = false;  // within PEM, which is harvested as a whole
  Collector& collector_;
};

// Calls each(word) for the words between white space.
template <typename Each>
void words(std::string_view text, Each&& each) {
  constexpr std::string_view kSpace = " \t\r\n";
  for (std::size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    each(text.substr(at, end - at));
    at = text.find_first_not_of(kSpace, end);
  }
}

}  // namespace

void line_values(std::string_view text, bool source, Collector& collector) {
  Lines(text, source, collector).run();
}

void netrc_values(std::string_view text, Collector& collector) {
  std::string_view before;
  words(text, [&](std::string_view word) {
    const bool quoted = word.size() > 2 && word.front() == '"' && word.back() == '"';
    collector.quoted(quoted ? word.substr(1, word.size() - 2) : word, before);
    before = word;
  });
}

void pgpass_values(std::string_view text, Collector& collector) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim(text.substr(at, end - at));
    at = end + 1;
    int fields = 0;
    for (std::size_t i = 0; i < line.size() && fields < 4; ++i) {
      if (line[i] == '\\') {
        ++i;
      } else if (line[i] == ':' && ++fields == 4) {
        collector.quoted(line.substr(i + 1), "password");
      }
    }
  }
}

}  // namespace agentbox::values
