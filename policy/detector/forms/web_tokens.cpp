// JSON Web Tokens (RFC 7519) and the credentials of HTTP headers (RFC 7235, 7617, 6750).
#include <algorithm>

#include "policy/detector/base64.h"
#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"
#include "policy/detector/shape.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kLongestToken = 4096;  // bytes

std::size_t run(std::string_view text, std::size_t at, std::uint16_t classes, std::size_t most) {
  const std::size_t begin = at;
  while (at < text.size() && at - begin < most && is(text[at], classes)) {
    ++at;
  }
  return at;
}

// At "eyJ", as "{\"" begins.
void json_web_token(Scan& scan, std::size_t begin, std::size_t) {
  const std::string_view text = scan.text;
  if (begin > 0 && is(text[begin - 1], kBase64Url | kDot) &&
      !(begin > 1 && text[begin - 2] == '\\') && !scan.touches_binary(begin)) {
    return;
  }
  const std::size_t header = run(text, begin, kBase64Url, kLongestToken);
  if (header - begin < 10 || header >= text.size() || text[header] != '.') {
    return;
  }
  const std::string fields = decode_base64(text.substr(begin, header - begin), 512);
  if (fields.find("\"alg\"") == std::string::npos && fields.find("\"typ\"") == std::string::npos &&
      fields.find("\"enc\"") == std::string::npos) {
    return;
  }
  // Two dots more are of an encrypted token (RFC 7516).
  std::size_t end = run(text, header + 1, kBase64Url, kLongestToken);
  int parts = 2;
  std::size_t last = header + 1;
  while (parts < 5 && end < text.size() && text[end] == '.') {
    const std::size_t next = run(text, end + 1, kBase64Url, kLongestToken);
    if (next == end + 1 && parts > 2) {
      break;
    }
    last = end + 1;
    end = next;
    ++parts;
  }
  if (parts < 3 || end - header < 24 || end - begin > Detector::kReach / 2 - 64) {
    return;
  }
  const std::string_view signature = text.substr(last, end - last);
  // jwt.io's example has been signed in every way that there is.
  const std::string claims = decode_base64(
      text.substr(header + 1, std::min<std::size_t>(text.find('.', header + 1) - header - 1, 512)),
      256);
  if (claims.find("\"John Doe\"") != std::string::npos ||
      claims.find("\"Jane Doe\"") != std::string::npos ||
      claims.find("\"foo\":\"bar\"") != std::string::npos) {
    return;
  }
  if (signature.size() < 16 || is_placeholder(signature) || strangeness(signature) < 0.25) {
    return;
  }
  scan.add(begin, end, form_kind(kJsonWebToken), kByForm);
}

bool is_credential_byte(char c) {
  return is(c, kBase64Url | kBase64 | kEquals | kDot | kTilde | kPercent) || c == ':' || c == '|';
}

void bearer_at(Scan& scan, std::size_t at, double least_strangeness) {
  const std::size_t begin = at;
  while (at < scan.text.size() && at - begin < kLongestToken && is_credential_byte(scan.text[at])) {
    ++at;
  }
  while (at > begin &&
         (scan.text[at - 1] == '.' || scan.text[at - 1] == ':' || scan.text[at - 1] == '|')) {
    --at;
  }
  const std::string_view value = scan.part(begin, at);
  if (value.size() >= 16 && !is_reference(value) && !is_placeholder(value) && !is_harmless(value) &&
      (at >= scan.text.size() ||
       (scan.text[at] != '(' && scan.text[at] != '$' && scan.text[at] != '{')) &&
      looks_random(value, least_strangeness) && scan.counts(begin, at)) {
    scan.add(begin, at, form_kind(kBearerAuthorization), kByForm);
  }
}

// After "Basic ".
void basic_at(Scan& scan, std::size_t begin) {
  const std::size_t end = run(scan.text, begin, kBase64Url | kBase64 | kEquals, 1024);
  const std::string_view value = scan.part(begin, end);
  if (value.size() < 8 || is_placeholder(value)) {
    return;
  }
  const std::string login = decode_base64(value, 1024);
  const std::size_t colon = login.find(':');
  const auto is_text = [](char c) {
    return !is(c, kControl) && static_cast<unsigned char>(c) < 0x80;
  };
  if (colon == std::string::npos || login.size() < 3 ||
      !std::all_of(login.begin(), login.end(), is_text)) {
    return;
  }
  const std::string_view password = std::string_view(login).substr(colon + 1);
  const std::string_view secret =
      password.empty() ? std::string_view(login).substr(0, colon) : password;
  if (!is_placeholder(secret) && !is_reference(secret)) {
    scan.add(begin, end, form_kind(kBasicAuthorization), kByForm);
  }
}

// After "authorization", whatever the case, with what parts a header from its value.
void authorization(Scan& scan, std::size_t begin, std::size_t end) {
  const std::string_view text = scan.text;
  if (begin > 0 && is(text[begin - 1], kLetter)) {
    return;  // of something else's name
  }
  constexpr std::size_t kMost = 24;
  std::size_t at = end;
  while (at < text.size() && at - end < kMost &&
         (is(text[at], kSpace | kEquals) ||
          std::string_view("\"'`]):,(\\[{").find(text[at]) != std::string_view::npos)) {
    ++at;
  }
  if (at == end) {
    return;
  }
  const std::string_view rest = text.substr(at);
  static constexpr std::string_view kSchemes[] = {
      "token ",    "apikey ", "api-key ",   "api-token ", "key ",        "ssws ",
      "geniekey ", "bot ",    "negotiate ", "oauth ",     "token token="};
  if (begins_with(rest, "basic ")) {
    basic_at(scan, at + 6);
    return;
  }
  if (begins_with(rest, "bearer ")) {
    bearer_at(scan, at + 7, 0.3);
    return;
  }
  for (const std::string_view scheme : kSchemes) {
    if (begins_with(rest, scheme)) {
      bearer_at(scan, at + scheme.size(), 0.3);
      return;
    }
  }
  // "AWS4-HMAC-SHA256 Credential=…": a scheme that is not known here, and its parameters.
  constexpr std::size_t kLongestScheme = 40;
  std::size_t word = at;
  while (word < text.size() && word - at < kLongestScheme && is(text[word], kWord | kDash)) {
    ++word;
  }
  if (word + 1 < text.size() && text[word] == ' ' && is(text[word + 1], kWord)) {
    return;
  }
  bearer_at(scan, at, 0.4);
}

void bearer(Scan& scan, std::size_t begin, std::size_t end) {
  if (begin == 0 || !is(scan.text[begin - 1], kWord | kDash)) {
    bearer_at(scan, end, 0.38);
  }
}

void basic(Scan& scan, std::size_t begin, std::size_t end) {
  if (begin > 0 && !is(scan.text[begin - 1], kWord | kDash | kSpace)) {
    basic_at(scan, end);
  }
}

// At "login(" and "run(": Discord's libraries take the bot's token there, which has no beginning of
// its own but that of its account's number.
void bot_login(Scan& scan, std::size_t, std::size_t end) {
  const std::string_view text = scan.text;
  if (end >= text.size() || (text[end] != '"' && text[end] != '\'')) {
    return;
  }
  static const std::vector<Shape> kShape = Shape::parse("<t24-28>.<t6-7>.<t27-40>");
  const std::size_t begin = end + 1;
  const std::size_t to = std::min(text.find(text[end], begin), begin + 100);
  const std::string_view token = text.substr(begin, to - begin);
  if (token.size() >= 59 && kShape[0].covers(token) && is(token[0], kUpper) &&
      looks_random(token) && !is_placeholder(token)) {
    scan.add(begin, begin + token.size(), form_kind(kDiscordBotToken), kByForm);
  }
}

constexpr FormTrigger kTriggers[] = {
    {"login(", false, bot_login},   {".run(", false, bot_login},
    {"eyJ", false, json_web_token}, {"bearer ", true, bearer},
    {"basic ", true, basic},        {"authorization", true, authorization},
};

}  // namespace

std::span<const FormTrigger> web_token_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
