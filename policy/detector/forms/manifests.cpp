// Kubernetes' secrets: every value in one is what its name says, whatever the value's own name.
#include <algorithm>

#include "policy/detector/base64.h"
#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
// What is looked at on either side of the line that says what the document is.
constexpr std::size_t kAround = 3800;  // bytes

struct Line {
  std::size_t begin = 0, end = 0, indent = 0;
};

Line line_at(std::string_view text, std::size_t begin, std::size_t limit) {
  Line line{begin, std::min(text.find('\n', begin), limit), 0};
  while (line.begin + line.indent < line.end && is(text[line.begin + line.indent], kSpace)) {
    ++line.indent;
  }
  return line;
}

// "name: value": the value without its quotes.
bool value_of(std::string_view text, const Line& line, std::size_t& begin, std::size_t& end) {
  const std::size_t colon = text.substr(0, line.end).find(": ", line.begin);
  // Without a name it is a block's, "name: |" on the line before.
  begin = colon == kNone ? line.begin : colon + 2;
  end = line.end;
  while (begin < end && is(text[begin], kSpace)) {
    ++begin;
  }
  while (end > begin && (is(text[end - 1], kSpace) || text[end - 1] == '\r')) {
    --end;
  }
  if (end - begin > 2 && (text[begin] == '"' || text[begin] == '\'') &&
      text[end - 1] == text[begin]) {
    ++begin;
    --end;
  }
  return begin < end;
}

bool is_base64_secret(std::string_view value) {
  if (value.size() < 4 || value.size() % 4 != 0 ||
      !std::all_of(value.begin(), value.end(), [](char c) { return is(c, kBase64 | kEquals); })) {
    return false;
  }
  const std::string plain = decode_base64(value, 1024);
  const bool template_text = plain.find("{{") != kNone || plain.find("${") != kNone;
  return plain.size() >= 3 && !is_placeholder(plain) && !template_text &&
         !begins_with(plain, "-----begin cert") && !begins_with(plain, "http");
}

// At "kind: Secret".
void yaml_secret(Scan& scan, std::size_t begin, std::size_t end) {
  const std::string_view text = scan.text;
  if ((end < text.size() && is(text[end], kWord)) || (begin > 0 && is(text[begin - 1], kWord))) {
    return;  // SecretList's items say it again; SecretProviderClass is none
  }
  if (scan.manifest_seen != kNone && begin - scan.manifest_seen < kLeastBlock) {
    return;
  }
  scan.manifest_seen = begin;
  const std::size_t low = begin - std::min(begin, kAround);
  const std::size_t document = text.substr(low, begin - low).rfind("\n---");
  std::size_t at = document == kNone ? low : low + document + 1;
  if (at == low && low > 0) {
    at = std::min(text.find('\n', low) + 1, begin);
  }
  std::size_t limit = std::min(text.size(), end + kAround);
  const std::size_t next = text.substr(end, limit - end).find("\n---");
  if (next != kNone) {
    limit = end + next;
  }
  bool encoded = false, inside = false;
  std::size_t indent = 0;
  while (at < limit) {
    const Line line = line_at(text, at, limit);
    at = line.end + 1;
    const std::string_view content =
        text.substr(line.begin + line.indent, line.end - line.begin - line.indent);
    if (content.empty() || content[0] == '#') {
      continue;
    }
    if (inside && line.indent <= indent) {
      inside = false;
    }
    if (!inside && (content.starts_with("data:") || content.starts_with("stringData:"))) {
      inside = true;
      indent = line.indent;
      encoded = content[0] == 'd';
      continue;
    }
    std::size_t from = 0, to = 0;
    if (!inside || !value_of(text, line, from, to)) {
      continue;
    }
    const std::string_view value = text.substr(from, to - from);
    const bool secret =
        encoded
            ? is_base64_secret(value)
            : value.size() >= 6 && !is_placeholder(value) && !is_reference(value) &&
                  !is_harmless(value) &&
                  (looks_random(value) ||
                   (std::any_of(value.begin(), value.end(), [](char c) { return is(c, kDigit); }) &&
                    std::any_of(value.begin(), value.end(),
                                [](char c) { return is(c, kLetter); }) &&
                    value.find(' ') == kNone && value.find(".") == kNone));
    if (secret && scan.counts(from, to)) {
      scan.add(from, to, form_kind(kKubernetesSecret), kByForm);
    }
  }
}

// At "client-key-data": the key of a kubeconfig's user.
void kubeconfig_key(Scan& scan, std::size_t, std::size_t end) {
  const std::string_view text = scan.text;
  std::size_t begin = end;
  while (begin < text.size() && begin - end < 16 && !is(text[begin], kAlnum)) {
    ++begin;
  }
  std::size_t to = begin;
  while (to < text.size() && to - begin < Detector::kReach / 2 && is(text[to], kBase64 | kEquals)) {
    ++to;
  }
  if (to - begin >= 64 && looks_random(scan.part(begin, to), 0.3)) {
    scan.add(begin, to, form_kind(kKubernetesSecret), kByForm);
  }
}

constexpr FormTrigger kTriggers[] = {
    {"kind: secret", true, yaml_secret},
    {"kind: \"secret\"", true, yaml_secret},
    {"kind: 'secret'", true, yaml_secret},
    {"client-key-data", false, kubeconfig_key},
};

}  // namespace

std::span<const FormTrigger> manifest_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
