#include "resolver/reference.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

namespace {

using base::Error;
using base::Status;

constexpr std::array<std::string_view, 12> kSchemes = {
    "op",   "vault",   "doppler", "infisical", "aws-sm", "sops",
    "pass", "keyring", "local",   "env",       "file",   "exec",
};
constexpr std::size_t kMaxLength = 2048;

// What other tools call the same sources.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kForeign = {{
    {"1password", "op"},
    {"onepassword", "op"},
    {"1p", "op"},
    {"awssm", "aws-sm"},
    {"awssecrets", "aws-sm"},
    {"aws-secrets-manager", "aws-sm"},
    {"hashivault", "vault"},
    {"openbao", "vault"},
    {"gopass", "pass"},
    {"secret-service", "keyring"},
}};

constexpr const char* kOpForm = "the form is op://vault/item/[section/]field[?attribute=otp]";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

bool known(std::string_view scheme) {
  return std::find(kSchemes.begin(), kSchemes.end(), scheme) != kSchemes.end();
}

// The scheme before "://" in lower case (RFC 3986 section 3.1), or "".
std::string scheme_of(std::string_view text) {
  const std::size_t colon = text.substr(0, 32).find(':');
  if (colon == std::string_view::npos || text.substr(colon, 3) != "://") {
    return {};
  }
  return lower(text.substr(0, colon));
}

[[noreturn]] void malformed(std::string_view text, const std::string& why, std::string hint) {
  throw Error(Status::kConfiguration,
              "malformed reference " + base::printable(text.substr(0, 200)) + ": " + why,
              std::move(hint));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t slash = text.find('/');
    parts.emplace_back(text.substr(0, slash));
    if (slash == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(slash + 1);
  }
}

int digit_value(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void check_op_segment(std::string_view text, std::string_view segment) {
  if (segment.empty()) {
    malformed(text, "an empty part", kOpForm);
  }
  if (segment.front() == ' ' || segment.back() == ' ') {
    malformed(text, "a space at the edge of a part", kOpForm);
  }
  for (const char c : segment) {
    if (!is_letter(c) && !is_digit(c) && std::string_view("-_. ").find(c) == std::string::npos) {
      malformed(text, "1Password's references hold letters, digits, \"-\", \"_\", \".\" and spaces",
                "name the vault, item or field by its ID instead (`op item get … --format json`)");
    }
  }
}

void check_op_query(std::string_view text, std::string_view query) {
  for (;;) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    if (key != "attribute" && key != "attr" && key != "ssh-format") {
      malformed(text, "an unknown query",
                "1Password knows ?attribute=otp (or type, value, …) and ?ssh-format=openssh");
    }
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return is_letter(c) || is_digit(c) || c == '-' || c == '_';
    });
    if (value.empty() || !plain) {
      malformed(text, "a query without a plain value", kOpForm);
    }
    if (end == std::string_view::npos) {
      return;
    }
    query.remove_prefix(end + 1);
  }
}

void parse_op(Reference& reference, std::string_view rest, std::string_view shown) {
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    reference.query = rest.substr(question + 1);
    check_op_query(shown, reference.query);
  }
  reference.path = split(rest.substr(0, question));
  for (const std::string& segment : reference.path) {
    check_op_segment(shown, segment);
  }
  if (reference.path.size() < 3 || reference.path.size() > 4) {
    malformed(shown, std::to_string(reference.path.size()) + " parts", kOpForm);
  }
}

void parse_file(Reference& reference, std::string_view rest, std::string_view shown) {
  if (rest.empty() || rest.front() != '/') {
    malformed(shown, "not an absolute path",
              "the form is file:///absolute/path, with three slashes");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    malformed(shown, "\"?\" or \"#\" in a path", "write them as %3F and %23");
  }
  for (const std::string& segment : split(rest.substr(1))) {
    reference.path.push_back(percent_decode(shown, segment));
    const std::string& name = reference.path.back();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      malformed(shown, "an empty part, \".\" or \"..\" in the path",
                "write the path as `realpath FILE` prints it");
    }
  }
}

// Words between spaces, as no shell would read them: a space inside one is %20.
void parse_exec(Reference& reference, std::string_view rest, std::string_view shown) {
  while (!rest.empty()) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    if (space > 0) {
      reference.path.push_back(percent_decode(shown, rest.substr(0, space)));
    }
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  const std::string& program = reference.path.front();
  if (program.find('/', 1) != std::string::npos ? program.front() != '/'
                                                : program == "/" || program == "..") {
    malformed(shown, "a program by a relative path",
              "name a program of your PATH, or write exec:///absolute/path [argument…]");
  }
}

void parse_generic(Reference& reference, std::string_view rest, std::string_view shown) {
  const std::size_t hash = rest.find('#');
  if (hash != std::string_view::npos) {
    reference.fragment = percent_decode(shown, rest.substr(hash + 1));
    rest = rest.substr(0, hash);
  }
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    reference.query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  for (const std::string& segment : split(rest)) {
    reference.path.push_back(percent_decode(shown, segment));
  }
}

// "op:/x" and "op//x": a reference with a character lost. "file:/x" is a common literal of Java and
// "vault:v1:…" is ciphertext of Vault's own, so neither is taken for one.
bool lost_a_character(const std::string& text) {
  return std::any_of(kSchemes.begin(), kSchemes.end(), [&](std::string_view scheme) {
    if (scheme == "file" || !text.starts_with(scheme)) {
      return false;
    }
    const std::string_view rest = std::string_view(text).substr(scheme.size());
    return rest.starts_with(":/") || rest.starts_with("//");
  });
}

}  // namespace

std::string percent_decode(std::string_view text, std::string_view segment) {
  std::string result;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      result += segment[i];
      continue;
    }
    const int high = i + 2 < segment.size() ? digit_value(segment[i + 1]) : -1;
    const int low = i + 2 < segment.size() ? digit_value(segment[i + 2]) : -1;
    if (high < 0 || low < 0) {
      malformed(text, "\"%\" without two hexadecimal digits", "write a literal % as %25");
    }
    result += static_cast<char>(high * 16 + low);
    if (result.back() == '\0') {
      malformed(text, "a NUL byte", "no name holds one");
    }
    i += 2;
  }
  return result;
}

bool is_reference(std::string_view text) { return known(scheme_of(text)); }

Reference parse_reference(std::string_view text) { return parse_reference(text, text); }

Reference parse_reference(std::string_view text, std::string_view shown) {
  Reference reference;
  reference.text = text;
  reference.scheme = scheme_of(text);
  if (!known(reference.scheme)) {
    malformed(shown, "no known scheme", "references begin with op://, local://, env:// or file://");
  }
  if (text.size() > kMaxLength) {
    malformed(shown, "longer than " + std::to_string(kMaxLength) + " bytes", "");
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      malformed(shown, "a control character", "write the reference on one line");
    }
  }
  const std::string_view rest = text.substr(reference.scheme.size() + 3);
  if (rest.empty()) {
    malformed(shown, "nothing after \"://\"", "");
  }
  if (is_space(rest.back())) {
    malformed(shown, "a space at its end", "");
  }
  if (reference.scheme == "op") {
    parse_op(reference, rest, shown);
  } else if (reference.scheme == "file") {
    parse_file(reference, rest, shown);
  } else if (reference.scheme == "local") {
    if (!is_local_name(rest)) {
      malformed(shown, "not a name of the local store",
                "names hold letters, digits, \"-\", \"_\", \".\" and \"/\", 128 at most");
    }
    reference.path.emplace_back(rest);
  } else if (reference.scheme == "env") {
    if (!is_variable_name(rest)) {
      malformed(shown, "not a name of a variable", "the form is env://NAME");
    }
    reference.path.emplace_back(rest);
  } else if (reference.scheme == "exec") {
    parse_exec(reference, rest, shown);
  } else {
    parse_generic(reference, rest, shown);
  }
  return reference;
}

std::string near_miss(std::string_view text) {
  if (is_reference(text)) {
    return {};
  }
  std::string_view core = text;
  const auto padding = [](char c) {
    return is_space(c) || std::string_view("\"'`{}<>").find(c) != std::string_view::npos;
  };
  while (!core.empty() && padding(core.front())) {
    core.remove_prefix(1);
  }
  if (core.size() != text.size() && is_reference(core)) {
    return "it is a reference with spaces, quotes or braces around it; write the reference alone";
  }
  // Long enough for every spelling below, short enough for values of megabytes.
  std::string start = lower(core.substr(0, 64));
  const bool prefixed = (start.starts_with("ref+") || start.starts_with("secretref+")) &&
                        is_reference(core.substr(core.find('+') + 1));
  const bool short_of_one = lost_a_character(start);
  wipe(start);
  if (prefixed) {
    return "it begins with \"ref+\", which is another tool's; write the reference without it";
  }
  if (short_of_one) {
    return "it begins like a reference but has no \"://\"";
  }
  const std::string scheme = scheme_of(core);
  for (const auto& [foreign, ours] : kForeign) {
    if (scheme == foreign) {
      return "its scheme is another tool's; here it is " + std::string(ours) + "://";
    }
  }
  if (scheme.size() >= 5) {
    // Not "local": too many words that programs use as schemes are near to it.
    const std::vector<std::string> long_schemes = {"vault", "doppler", "infisical", "aws-sm",
                                                   "keyring"};
    const std::string meant = base::nearest(scheme, long_schemes);
    if (!meant.empty()) {
      return "its scheme is unknown; did you mean " + meant + "://?";
    }
  }
  // op's own templates replace references inside a longer value (not after a letter, a digit, "-",
  // "+" or "."); here a value is one reference or none.
  for (std::size_t at = text.find("op://"); at != std::string_view::npos;
       at = text.find("op://", at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    if (!is_letter(before) && !is_digit(before) &&
        std::string_view("-+\\.").find(before) == std::string_view::npos) {
      return "it holds an op:// reference inside a longer value; a value is one reference or none";
    }
  }
  return {};
}

bool is_local_name(std::string_view name) {
  if (name.empty() || name.size() > 128) {
    return false;
  }
  for (const char c : name) {
    if (!is_letter(c) && !is_digit(c) && std::string_view("_.-/").find(c) == std::string::npos) {
      return false;
    }
  }
  return name.front() != '/' && name.back() != '/' && name.find("//") == std::string_view::npos;
}

std::string plain_name(std::string_view text) {
  std::string name = lower(text.substr(0, 64));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_letter(c) && !is_digit(c); }, '_');
  return name.empty() || name.front() == '_' ? "x" + name : name;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

}  // namespace agentbox::resolver
