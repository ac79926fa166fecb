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

// An armour's body starts after the dashes (and the line end) of BEGIN, and ends before END's.
std::size_t body_begin(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] == '-') {
    ++at;
  }
  while (at < text.size() && !is(text[at], kAlnum) &&
         !(is(text[at], kPlusSlash) && at + 1 < text.size() && is(text[at + 1], kBase64))) {
    // "\n" and "\r" of an escaped text: the letter is not the key's.
    at += text[at] == '\\' && at + 1 < text.size() ? 2 : 1;
  }
  return at;
}

std::size_t body_end(std::string_view text, std::size_t begin, std::size_t end) {
  while (end > begin && !is(text[end - 1], kAlnum | kEquals | kPlusSlash)) {
    --end;
  }
  if (end > begin + 1 && text[end - 2] == '\\') {
    end -= 2;
    return body_end(text, begin, end);
  }
  return end;
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
    const std::size_t closing = std::min(body.find("---"), body.size());
    to = body_end(text, from, from + closing);
  } else if (words.starts_with("END")) {
    // Where BEGIN is in reach it found this key.
    const std::size_t reach = label - std::min(label, kLongestBody);
    const std::string_view body = text.substr(reach, label - reach);
    std::size_t opening = body.size();
    while (opening > 0 && body[opening - 1] == '-') {
      --opening;
    }
    if (reach == 0 || body.substr(0, opening).rfind("---") != kNone) {
      return;
    }
    from = reach;
    to = body_end(text, reach, reach + opening);
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
  const std::string_view body = scan.text.substr(std::min(begin, scan.text.size()), kLongestBody);
  const std::size_t to =
      body_end(scan.text, begin, begin + std::min(body.find("---"), body.size()));
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
  const std::size_t to = body_end(scan.text, begin, end + std::min(mac, file.size()));
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
