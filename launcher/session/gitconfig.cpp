#include "launcher/session/gitconfig.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace agentbox::session {

namespace {

// Settings whose value git neither executes nor opens (git-config(1)).
constexpr std::array<std::string_view, 24> kInert = {
    "user.name",           "user.email",          "init.defaultbranch", "pull.rebase",
    "pull.ff",             "push.default",        "push.autosetupremote", "push.followtags",
    "merge.conflictstyle", "merge.ff",            "rebase.autosquash",  "rebase.autostash",
    "fetch.prune",         "core.autocrlf",       "core.eol",           "core.safecrlf",
    "core.quotepath",      "diff.algorithm",      "diff.renames",       "rerere.enabled",
    "commit.verbose",      "branch.sort",         "tag.sort",           "column.ui"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
  return out + '"';
}

// git-config(1), "Syntax": sections, names, values with quotes, escapes, comments, continuations.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Calls keep(section, subsection, name, value) for each variable; false on a syntax error.
  template <typename Keep>
  bool parse(const Keep& keep) {
    while (skip_space_and_comments()) {
      if (peek() == '[') {
        if (!read_section()) {
          return false;
        }
      } else {
        std::string name;
        std::string value;
        if (section_.empty() || !read_variable(name, value)) {
          return false;
        }
        keep(section_, subsection_, name, value);
      }
    }
    return true;
  }

 private:
  bool end() const { return at_ >= text_.size(); }
  char peek() const { return end() ? '\0' : text_[at_]; }
  char take() { return text_[at_++]; }

  // To the next thing that is neither white space nor a comment; false at the end.
  bool skip_space_and_comments() {
    while (!end()) {
      const char c = peek();
      if (c == '#' || c == ';') {
        skip_line();
      } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  void skip_line() {
    while (!end() && take() != '\n') {
    }
  }

  bool read_section() {
    ++at_;
    section_.clear();
    subsection_.clear();
    while (!end() && (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-' ||
                      peek() == '.')) {
      section_ += take();
    }
    section_ = lower(section_);
    while (peek() == ' ' || peek() == '\t') {
      ++at_;
    }
    if (peek() == '"') {
      ++at_;
      while (!end() && peek() != '"' && peek() != '\n') {
        if (peek() == '\\') {
          ++at_;
        }
        if (!end()) {
          subsection_ += take();
        }
      }
      if (end() || take() != '"') {
        return false;
      }
    }
    return !section_.empty() && !end() && take() == ']';
  }

  bool read_variable(std::string& name, std::string& value) {
    while (!end() && (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-')) {
      name += take();
    }
    name = lower(name);
    while (peek() == ' ' || peek() == '\t') {
      ++at_;
    }
    if (name.empty()) {
      return false;
    }
    if (peek() != '=') {
      value = "true";  // a name alone is a boolean
      skip_line();
      return true;
    }
    ++at_;
    return read_value(value);
  }

  bool read_value(std::string& value) {
    bool in_quotes = false;
    std::size_t solid = 0;  // length without trailing unquoted white space
    while (!end()) {
      const char c = take();
      if (c == '\n') {
        if (in_quotes) {
          return false;
        }
        break;
      }
      if (c == '\\') {
        if (end()) {
          return false;
        }
        const char escaped = take();
        if (escaped == '\n') {
          continue;
        }
        const std::size_t known = std::string_view("ntb\"\\").find(escaped);
        if (known == std::string_view::npos) {
          return false;
        }
        value += "\n\t\b\"\\"[known];
        solid = value.size();
      } else if (c == '"') {
        in_quotes = !in_quotes;
      } else if (!in_quotes && (c == '#' || c == ';')) {
        skip_line();
        break;
      } else if (!in_quotes && std::isspace(static_cast<unsigned char>(c)) != 0) {
        if (!value.empty()) {
          value += c;
        }
      } else {
        value += c;
        solid = value.size();
      }
      if (in_quotes) {
        solid = value.size();
      }
    }
    value.resize(solid);
    return !in_quotes;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string section_, subsection_;
};

bool is_kept(const std::string& section, const std::string& subsection, const std::string& name,
             const std::string& value) {
  if (section == "alias") {
    const std::size_t first = value.find_first_not_of(" \t\n");
    return subsection.empty() && first != std::string::npos && value[first] != '!';
  }
  if (section == "color") {
    return subsection.find('\n') == std::string::npos;
  }
  const std::string key = section + "." + name;
  return subsection.empty() && std::find(kInert.begin(), kInert.end(), key) != kInert.end();
}

}  // namespace

std::string clean_gitconfig(std::string_view text) {
  std::string out;
  std::string current;
  const bool well_formed = Parser(text).parse([&](const std::string& section,
                                                  const std::string& subsection,
                                                  const std::string& name,
                                                  const std::string& value) {
    if (value.find('\0') != std::string::npos || !is_kept(section, subsection, name, value)) {
      return;
    }
    const std::string heading =
        "[" + section + (subsection.empty() ? "" : " " + quoted(subsection)) + "]\n";
    if (heading != current) {
      out += heading;
      current = heading;
    }
    out += "\t" + name + " = " + quoted(value) + "\n";
  });
  return well_formed ? out : "";
}

void each_setting(std::string_view text, const VisitSetting& visit) {
  Parser(text).parse([&](const std::string& section, const std::string&, const std::string& name,
                         const std::string& value) { visit(section, name, value); });
}

}  // namespace agentbox::session
