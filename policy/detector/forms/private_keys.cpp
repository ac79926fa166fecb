// Private keys in armour: RFC 7468, OpenSSH's PROTOCOL.key, RFC 4716, RFC 9580, PuTTY's .ppk, and
// RFC 7517's JSON.
#include <algorithm>

#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
// The longest part of a key that is one finding. A longer key is found from both of its ends.
constexpr std::size_t kLongestBody = Detector::kReach / 2 - 256;

// The escape of a line end or of a mark at `at`, whatever text it stands in: "\n", "\\r\\n",
// "%0A", "&#10;". 0 where there is none.
std::size_t escape_size(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && text[end] == '\\') {
    ++end;
  }
  if (end > at) {
    const bool letter =
        end < text.size() && (text[end] == 'n' || text[end] == 'r' || text[end] == 't');
    return end - at + (letter ? 1 : 0);
  }
  for (const std::string_view mark :
       {"%0a", "%0d", "%20", "&#10;", "&#13;", "&#xa;", "&#xd;", "<br>", "<br/>", "<br />"}) {
    if (begins_with(text.substr(at), mark)) {
      return mark.size();
    }
  }
  return 0;
}

// What may stand between the lines of a key: the marks of strings, quotations and comments.
bool is_between(char c) {
  return is(c, kSpace) || std::string_view("\n\r\"'`,.;:|>#*()[]{}").find(c) != kNone;
}

// An armour's body starts after the dashes (and the line end) of BEGIN.
std::size_t body_begin(std::string_view text, std::size_t at) {
  constexpr std::size_t kMost = 256;
  while (at < text.size() && text[at] == '-') {
    ++at;
  }
  const std::size_t limit = std::min(text.size(), at + kMost);
  while (at < limit && !is(text[at], kAlnum | kControl) &&
         !(is(text[at], kPlusSlash) && at + 1 < text.size() && is(text[at + 1], kBase64))) {
    const std::size_t escape = escape_size(text, at);
    at += escape > 0 ? escape : 1;
  }
  return at;
}

// "Proc-Type: 4,ENCRYPTED", "Comment: …": the line's end, or `at` where it is none.
std::size_t header_end(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongestName = 24, kLongestLine = 200;
  std::size_t colon = at;
  while (colon < text.size() && colon - at < kLongestName && is(text[colon], kAlnum | kDash)) {
    ++colon;
  }
  if (colon == at || colon >= text.size() || text[colon] != ':') {
    return at;
  }
  std::size_t end = colon;
  while (end < text.size() && end - at < kLongestLine && text[end] != '\n' && text[end] != '\\' &&
         !is(text[end], kControl)) {
    ++end;
  }
  return end;
}

bool is_key_byte(char c) { return is(c, kBase64 | kEquals | kPercent); }

constexpr std::size_t kLeastLine = 16;  // bytes; only the last line of a key has fewer

// The end of the key that begins at `begin`: what is no more base64 is not the key's.
std::size_t key_end(std::string_view text, std::size_t begin) {
  const std::size_t limit = std::min(text.size(), begin + kLongestBody);
  std::size_t at = begin, end = begin;
  while (at < limit) {
    if (const std::size_t escape = escape_size(text, at)) {
      at += escape;
      continue;
    }
    const std::size_t header = end == begin ? header_end(text, at) : at;
    if (header > at) {
      at = header;
      continue;
    }
    if (!is_key_byte(text[at])) {
      if (!is_between(text[at])) {
        break;
      }
      ++at;
      continue;
    }
    const std::size_t line = at;
    while (at < limit && (is_key_byte(text[at]) ? escape_size(text, at) == 0
                                                : text.substr(at).starts_with("\\/"))) {
      at += text[at] == '\\' ? 2 : 1;
    }
    if (at - line == 1 && text[line] == '+') {
      continue;  // between the strings of an expression
    }
    const bool checksum = text[line] == '=' && at - line == 5;  // RFC 9580, 6.1
    if (at - line >= kLeastLine || checksum || end == begin) {
      end = at;
      continue;
    }
    // The last line, of any length: the end of a string, of the text, or END comes next.
    std::size_t next = at;
    while (next < limit && (is_between(text[next]) || escape_size(text, next) > 0)) {
      ++next;
    }
    if (next >= limit || text[next] == '-' || text[at - 1] == '=' || is(text[at], kControl) ||
        text[at] == '"' || text[at] == '\'') {
      end = at;
    }
    break;
  }
  return end;
}

// Where the key that ends at `end` begins, so far as it is in reach.
std::size_t key_begin(std::string_view text, std::size_t end) {
  const std::size_t limit = end - std::min(end, kLongestBody);
  std::size_t at = end, begin = end;
  while (at > limit) {
    if (!is_key_byte(text[at - 1])) {
      if (!is_between(text[at - 1]) && text[at - 1] != '\\') {
        break;
      }
      --at;
      continue;
    }
    const std::size_t line = at;
    while (at > limit && is_key_byte(text[at - 1])) {
      --at;
    }
    if (line - at < kLeastLine && begin != end) {
      break;
    }
    begin = at;
  }
  return begin;
}

std::size_t body_end(std::string_view text, std::size_t begin, std::size_t end) {
  // A "+" with blanks before it joins the strings of an expression.
  while (end > begin && (!is(text[end - 1], kAlnum | kEquals | kPlusSlash) ||
                         (text[end - 1] == '+' && end > begin + 1 && is(text[end - 2], kSpace)))) {
    --end;
  }
  if (end > begin + 1 && text[end - 2] == '\\') {
    end -= 2;
    return body_end(text, begin, end);
  }
  return end;
}

// Whether what stands between BEGIN and END is a key, so that all of it counts, however it is
// parted.
bool is_mostly_key(std::string_view body) {
  std::size_t run = 0, in_lines = 0;
  for (const char c : body) {
    if (is(c, kControl)) {
      return false;
    }
    run = is_key_byte(c) ? run + 1 : 0;
    in_lines += run == kLeastLine ? kLeastLine : run > kLeastLine ? 1 : 0;
  }
  return in_lines * 2 >= body.size();
}

// Whether so much of it is key that nobody wrote it to show the form.
bool is_body(std::string_view body) {
  constexpr std::size_t kLeast = 40;  // bytes: an Ed25519 key in PKCS #8 has 64
  std::size_t best = 0, run = 0, total = 0;
  std::size_t best_at = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (is(body[i], kBase64 | kEquals)) {
      ++total;
      if (++run > best) {
        best = run;
        best_at = i + 1 - run;
      }
    } else {
      run = 0;
    }
  }
  const std::string_view longest = body.substr(best_at, best);
  return total >= kLeast && best >= 16 && entropy(longest) >= 3 && strangeness(longest) >= 0.25 &&
         body.substr(0, 200).find("...") == kNone && !is_sequence(longest);
}

bool is_service_account(const Scan& scan, std::size_t begin) {
  constexpr std::size_t kBefore = 600, kAfter = 3600;
  const std::size_t from = begin - std::min(begin, kBefore);
  const std::string_view around = scan.text.substr(from, kBefore + kAfter);
  return around.find("service_account") != kNone || around.find("private_key_id") != kNone;
}

// At "PRIVATE KEY".
void armour(Scan& scan, std::size_t begin, std::size_t end) {
  const std::string_view text = scan.text;
  constexpr std::size_t kLongestLabel = 40;
  std::size_t label = begin;
  while (label > 0 && begin - label < kLongestLabel &&
         is(text[label - 1], kUpper | kDigit | kSpace)) {
    --label;
  }
  std::string_view rest = text.substr(end);
  if (rest.starts_with(" BLOCK")) {
    rest.remove_prefix(6);
  }
  if (rest.starts_with(" ")) {  // RFC 4716
    rest.remove_prefix(1);
  }
  if (!(rest.starts_with("--")) || label < 2 || text[label - 1] != '-') {
    return;
  }
  const std::string_view title = text.substr(label, begin - label);
  const bool pgp = title.find("PGP") != kNone;
  const std::size_t dashes = text.size() - rest.size();
  std::size_t from = 0, to = 0;
  const auto words =
      title.substr(title.find_first_not_of(' ') == kNone ? 0 : title.find_first_not_of(' '));
  if (words.starts_with("BEGIN")) {
    from = body_begin(text, dashes);
    const std::string_view body = text.substr(std::min(from, text.size()), kLongestBody);
    const std::size_t closing = body.find("---");
    if (closing != kNone && is_mostly_key(body.substr(0, closing))) {
      to = body_end(text, from, from + closing);
    } else {
      to = key_end(text, from);
    }
  } else if (words.starts_with("END")) {
    // Where BEGIN is in reach it found this key.
    const std::size_t reach = label - std::min(label, kLongestBody);
    const std::string_view body = text.substr(reach, label - reach);
    std::size_t opening = body.size();
    while (opening > 0 && body[opening - 1] == '-') {
      --opening;
    }
    if (body.substr(0, opening).rfind("---") != kNone) {
      return;
    }
    to = body_end(text, reach, reach + opening);
    from = key_begin(text, to);
  } else {
    return;
  }
  if (from >= to || !is_body(text.substr(from, to - from))) {
    return;
  }
  const Form form = pgp                               ? kPgpPrivateKey
                    : is_service_account(scan, begin) ? kServiceAccountKey
                                                      : kPrivateKey;
  scan.add(from, to, form_kind(form), kByKeyBlock);
}

// At "BEGIN OpenVPN Static key V1": lines of hexadecimal digits.
void openvpn(Scan& scan, std::size_t, std::size_t end) {
  const std::size_t begin = body_begin(scan.text, end);
  const std::size_t to = key_end(scan.text, begin);
  if (begin < to && is_body(scan.part(begin, to))) {
    scan.add(begin, to, form_kind(kPrivateKey), kByKeyBlock);
  }
}

// At "PuTTY-User-Key-File-".
void putty(Scan& scan, std::size_t, std::size_t end) {
  const std::string_view file = scan.text.substr(end, kLongestBody);
  const std::size_t lines = file.find("Private-Lines:");
  if (lines == kNone) {
    return;
  }
  const std::size_t first = file.find('\n', lines);
  if (first == kNone) {
    return;
  }
  const std::size_t mac = file.find("Private-MAC:", first);
  const std::size_t begin = end + first + 1;
  const std::size_t to = std::min(body_end(scan.text, begin, end + std::min(mac, file.size())),
                                  key_end(scan.text, begin));
  if (is_body(scan.part(begin, to))) {
    scan.add(begin, to, form_kind(kPuttyPrivateKey), kByKeyBlock);
  }
}

// At "\"kty\"": the members that a public key lacks (RFC 7518, 6).
void json_web_key(Scan& scan, std::size_t begin, std::size_t) {
  constexpr std::size_t kAround = 3800;
  const std::string_view text = scan.text;
  // The object it stands in: braces do not occur in a key's values.
  if (scan.key_seen != kNone && begin - scan.key_seen < kLeastBlock) {
    return;
  }
  scan.key_seen = begin;
  const std::size_t low = begin - std::min(begin, kAround);
  const std::size_t open = text.substr(low, begin - low).rfind('{');
  const std::size_t from = open == kNone ? low : low + open;
  const std::size_t high = std::min(text.size(), begin + kAround);
  const std::size_t close = text.substr(0, high).find('}', begin);
  const std::size_t to = close == kNone ? high : close;
  static constexpr std::string_view kMembers[] = {"d", "p", "q", "dp", "dq", "qi", "k"};
  for (std::size_t i = from; i + 4 < to; ++i) {
    if (text[i] != '"') {
      continue;
    }
    const std::size_t quote = text.substr(0, std::min(to, i + 5)).find('"', i + 1);
    if (quote == kNone || std::find(std::begin(kMembers), std::end(kMembers),
                                    text.substr(i + 1, quote - i - 1)) == std::end(kMembers)) {
      continue;
    }
    std::size_t at = quote + 1;
    while (at < to && (is(text[at], kSpace) || text[at] == '\n' || text[at] == '\r')) {
      ++at;
    }
    if (at >= to || text[at] != ':') {
      continue;
    }
    ++at;
    while (at < to && is(text[at], kSpace)) {
      ++at;
    }
    if (at >= to || text[at] != '"') {
      continue;
    }
    const std::size_t value = at + 1;
    std::size_t end = value;
    while (end < to && is(text[end], kBase64Url)) {
      ++end;
    }
    if (end - value >= 20 && looks_random(scan.part(value, end))) {
      scan.add(value, end, form_kind(kJsonWebKey), kByForm);
    }
    i = end;
  }
}

constexpr FormTrigger kTriggers[] = {
    {"PRIVATE KEY", false, armour},
    {"PuTTY-User-Key-File-", false, putty},
    {"BEGIN OpenVPN Static key V1", false, openvpn},
    {"\"kty\"", false, json_web_key},
};

}  // namespace

std::span<const FormTrigger> private_key_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
