// Files that programs keep logins in: .netrc (its GNU manual page), .pgpass (PostgreSQL's
// documentation, "The Password File"), and key files of nothing but the key.
#include <algorithm>

#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"
#include "policy/detector/wording.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kNone = std::string_view::npos;

bool is_space(char c) { return is(c, kSpace) || c == '\n' || c == '\r'; }

struct Word {
  std::size_t begin = 0, end = 0;
};

Word next_word(std::string_view text, std::size_t at, std::size_t limit) {
  while (at < limit && is_space(text[at])) {
    ++at;
  }
  Word word{at, at};
  while (word.end < limit && !is_space(text[word.end])) {
    ++word.end;
  }
  return word;
}

// Pairs of words up to the password.
// `quote`: what stands in front of it all, or a blank.
void netrc_words(Scan& scan, std::size_t at, char quote) {
  const std::string_view text = scan.text;
  constexpr std::size_t kMost = 1024;
  const std::size_t limit = std::min(text.size(), at + kMost);
  bool login = false;
  while (at < limit) {
    const Word key = next_word(text, at, limit);
    const std::string_view name = text.substr(key.begin, key.end - key.begin);
    const Word value = next_word(text, key.end, limit);
    if (text.substr(value.begin, value.end - value.begin).starts_with("%")) {
      return;  // to be filled in
    }
    if (name == "login" || name == "user" || name == "account" || name == "port") {
      login = true;
    } else if (name == "password" && (login || scan.path.netrc)) {
      std::size_t from = value.begin, to = value.end;
      if (to - from > 2 && text[from] == '"' && text[to - 1] == '"') {
        ++from;
        --to;
      }
      // Of a command that writes the file, in a string: the string ends, too.
      const std::string_view rest = text.substr(from, to - from);
      to = scan.path.netrc ? to : from + std::min(rest.find(quote), rest.size());
      const std::string_view password = text.substr(from, to - from);
      if (!is_reference(password) && !is_placeholder(password) &&
          (scan.path.netrc || (!is_marked_word(password) && scan.counts(from, to)))) {
        scan.add(from, to, form_kind(kNetrcPassword), kByForm);
      }
      return;
    } else if (name != "password") {
      return;
    }
    at = value.end;
  }
}

bool starts_word(const Scan& scan, std::size_t at) {
  return at == 0 || is_space(scan.text[at - 1]) || scan.text[at - 1] == '"' ||
         scan.text[at - 1] == '\'';
}

void netrc_machine(Scan& scan, std::size_t begin, std::size_t end) {
  if (starts_word(scan, begin)) {
    netrc_words(scan, next_word(scan.text, end, std::min(scan.text.size(), end + 256)).end,
                begin > 0 ? scan.text[begin - 1] : ' ');
  }
}

// It has no host.
void netrc_default(Scan& scan, std::size_t begin, std::size_t) {
  if (starts_word(scan, begin)) {
    netrc_words(scan, begin + std::string_view("default").size(),
                begin > 0 ? scan.text[begin - 1] : ' ');
  }
}

// "host:port:database:user:": all of it where the file's name does not say what it is.
bool is_pgpass_place(std::string_view place) {
  const std::size_t host = std::min(place.find(':'), place.size());
  const std::size_t port = std::min(place.find(':', host + 1), place.size());
  const std::string_view number =
      place.substr(std::min(host + 1, place.size()), port - std::min(host + 1, port));
  const auto all = [](std::string_view text, std::uint16_t classes) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
      return is(c, classes) || c == '*' || c == '\\';
    });
  };
  return all(place.substr(0, host), kWord | kDash | kDot) &&
         (number == "*" || all(number, kDigit)) && std::count(place.begin(), place.end(), ':') == 4;
}

// A line "host:port:database:user:password".
void pgpass_line(Scan& scan, std::size_t begin, std::size_t end) {
  std::size_t colons = 0, at = begin;
  for (; at < end && colons < 4; ++at) {
    if (scan.text[at] == '\\') {
      ++at;
    } else if (scan.text[at] == ':') {
      ++colons;
    } else if (is(scan.text[at], kSpace) || scan.text[at] == '"' || scan.text[at] == '#') {
      return;
    }
  }
  if (colons < 4 || at >= end) {
    return;
  }
  const std::string_view password = scan.part(at, end);
  if (!is_reference(password) && !is_placeholder(password) && password.find(' ') == kNone &&
      (scan.path.pgpass || (is_pgpass_place(scan.part(begin, at)) && scan.counts(at, end)))) {
    scan.add(at, end, form_kind(kPgpassPassword), kByForm);
  }
}

// At ":5432:".
void postgres_port(Scan& scan, std::size_t begin, std::size_t end) {
  constexpr std::size_t kMost = 400;
  std::size_t from = begin, to = end;
  while (from > 0 && begin - from < kMost && scan.text[from - 1] != '\n') {
    --from;
  }
  while (to < scan.text.size() && to - end < kMost && scan.text[to] != '\n' &&
         scan.text[to] != '\r') {
    ++to;
  }
  pgpass_line(scan, from, to);
}

constexpr FormTrigger kTriggers[] = {
    {"machine ", false, netrc_machine}, {"default login ", false, netrc_default},
    {":5432:", false, postgres_port},   {":6432:", false, postgres_port},
    {":*:*:", false, postgres_port},
};

}  // namespace

std::span<const FormTrigger> login_triggers() { return kTriggers; }

void find_by_path(Scan& scan) {
  const std::string_view text = scan.text;
  if (scan.path.pgpass) {
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      pgpass_line(scan, begin, end > begin && text[end - 1] == '\r' ? end - 1 : end);
      begin = end + 1;
    }
  }
  if (scan.path.master_key && text.size() >= 32 && text.size() <= 34) {
    const std::string_view key = text.substr(0, 32);
    if (std::all_of(key.begin(), key.end(), [](char c) { return is(c, kHex); }) &&
        looks_random(key)) {
      scan.add(0, key.size(), form_kind(kMasterKey), kByForm);
    }
  }
}

}  // namespace agentbox::policy::detect
