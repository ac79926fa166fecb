// Values given to a name that promises a secret.
#include <algorithm>
#include <array>

#include "policy/detector/assignment.h"
#include "policy/detector/base64.h"
#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/promise.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"
#include "policy/detector/shape.h"
#include "policy/detector/wording.h"

namespace agentbox::policy::detect {

namespace {

using Way = Assignment::Way;

bool is_uuid(std::string_view value) {
  static const std::vector<Shape> kUuid = Shape::parse("<x8>-<x4>-<x4>-<x4>-<x12>");
  return value.size() == 36 && kUuid[0].covers(value);
}

bool is_digest(std::string_view value) {
  return (value.size() == 32 || value.size() == 40 || value.size() == 64 || value.size() == 128) &&
         all_are(value, kHex);
}

bool is_unquoted(const Assignment& found) {
  return found.way == Way::kBare || found.way == Way::kInline || found.way == Way::kWord;
}

// "self.password": in source code what is not quoted and has a dot is a member.
bool is_member(const Scan& scan, const Assignment& found, std::string_view value) {
  return scan.path.code && is_unquoted(found) && has(value, kDot);
}

// "...;Password=value;": settings parted by semicolons; in code they stand in a string.
bool is_in_connection_string(const Scan& scan, const Assignment& found) {
  if (found.way != Way::kInline) {
    return false;
  }
  constexpr std::size_t kLine = 200;
  std::size_t line = found.name_begin;
  while (line > 0 && found.name_begin - line < kLine && scan.text[line - 1] != '\n') {
    --line;
  }
  const std::string_view before = scan.part(line, found.name_begin);
  return (!scan.path.code || before.find_first_of("\"'`") != before.npos) &&
         ((found.name_begin > 0 && scan.text[found.name_begin - 1] == ';') ||
          (found.end < scan.text.size() && scan.text[found.end] == ';'));
}

bool is_password(const Scan& scan, const Assignment& found, std::string_view value) {
  // "setPassword('sjljehprepare')": of a call's arguments, words of any language.
  if (found.way == Way::kArgument &&
      (all_are(value, kLower) ||
       (!has(value, kDigit) && value.find_first_of("/:|@*") != value.npos))) {
    return false;
  }
  const bool literal = found.way == Way::kQuoted || found.way == Way::kElement;
  const bool setting = found.way == Way::kBare || (scan.path.settings && literal);
  constexpr std::size_t kLeast = 5;
  if (value.size() == 19 && is_word_list(value, 4) && value[4] == ' ' && value[9] == ' ' &&
      value[14] == ' ') {
    return strangeness(value) >= 0.12;  // Google's application passwords
  }
  if (value.size() < kLeast || value.size() > 256 || is_sentence(value) ||
      (is_unquoted(found) && is_expression(value)) || is_member(scan, found, value)) {
    return false;
  }
  if ((scan.path.made_up || !setting) && is_common_password(value)) {
    return false;
  }
  if (scan.path.made_up && !looks_random(value, 0.3) && value.size() < 20) {
    return strangeness(value) >= 0.5 && value.size() >= 9;
  }
  if (found.way == Way::kBare &&
      (value.back() == '{' || value.back() == '(' || value.back() == '>' || value.front() == '<')) {
    return false;
  }
  const bool digits = has(value, kDigit);
  const bool letters = has(value, kLetter);
  if (found.way != Way::kBare && !all_are(value, kLetter) && is_marked_word(value)) {
    return false;
  }
  const bool marks = !all_are(value, kWord | kDash | kDot);
  if (value.back() == ':' || value.back() == '?') {
    return false;  // a question for it
  }
  if (all_are(value, kDigit | kDot | kDash)) {
    return false;
  }
  if (!letters) {
    // "120000" is more often a number than a password.
    return digits && (marks ? value.size() >= 8 && setting : value.size() >= 8 && literal);
  }
  if (is_jumbled(value) &&
      (digits || (found.way != Way::kCompared && found.way != Way::kArgument))) {
    return true;
  }
  if (is_identifier(value) && !(setting && digits && value.size() >= 8)) {
    // Words with dashes between are passwords, too, where no code is: four of them.
    return setting && !scan.path.code && value.size() >= 20 &&
           std::count(value.begin(), value.end(), '-') >= 3 && !has(value, kDot | kPlusSlash);
  }
  if (!digits && !marks) {  // letters alone
    if (has(value, kLower) && has(value, kUpper) && value.size() >= 8 &&
        strangeness(value) >= 0.3) {
      return true;
    }
    return value.size() >= 8 &&
           (strangeness(value) >= 0.45 || (setting && !scan.path.code && value.size() >= 10));
  }
  switch (found.way) {
    case Way::kQuoted:
    case Way::kElement:
    case Way::kWord:
      return value.size() >= 6 || scan.path.settings;
    case Way::kBare:
      return !scan.path.code || strangeness(value) >= 0.3;
    case Way::kArgument:
    case Way::kCompared:
      return value.size() >= 8 && (strangeness(value) >= 0.3 || marks) && !value.starts_with("#") &&
             !value.starts_with(".");
    case Way::kInline:
      return value.size() >= 6 && (is_in_connection_string(scan, found) ||
                                   (digits && (!scan.path.code || looks_random(value, 0.3))));
  }
  return false;
}

bool is_secret(const Scan& scan, const Assignment& found, std::string_view value) {
  if (value.size() < 8 || is_sentence(value) || (is_unquoted(found) && is_expression(value)) ||
      is_member(scan, found, value)) {
    return false;
  }
  const bool bare = found.way == Way::kBare || found.way == Way::kInline;
  if (bare && scan.path.code && value.size() < 16) {
    return false;
  }
  if (all_are(value, kDigit | kDot | kDash)) {
    return false;
  }
  if (is_uuid(value)) {
    return found.way != Way::kCompared;
  }
  if (is_identifier(value)) {
    // "JWT_SECRET=words-of-a-person-42" of the environment.
    return found.way == Way::kBare && !scan.path.code && !scan.path.made_up && value.size() >= 16 &&
           has(value, kDigit) && !has(value, kDot | kPlusSlash) &&
           all_are(scan.part(found.name_begin, found.name_end), kUpper | kDigit | kUnderscore);
  }
  if (value.size() >= 16 && is_jumbled(value)) {
    return true;
  }
  if (looks_random(value)) {
    return value.size() >= 16 || (found.way != Way::kInline && has(value, kDigit));
  }
  if (all_are(value, kLetter | kSpace) || !has(value, kDigit)) {
    return looks_random(value, 0.5) ||
           (found.way == Way::kBare && !scan.path.code && has(value, kLetter) &&
            !all_are(value, kWord | kDash | kDot | kPlusSlash) && value.size() >= 12);
  }
  // Written by a person, who mixed in what makes it hard to guess.
  const bool setting = found.way == Way::kBare || (scan.path.settings && found.way == Way::kQuoted);
  return (setting && !scan.path.code && value.size() >= 10 && strangeness(value) >= 0.12) ||
         (found.way == Way::kQuoted && value.size() >= 10 && strangeness(value) >= 0.25 &&
          !all_are(value, kWord | kDot | kDash));
}

bool ends_in_extension(std::string_view value) {
  const std::size_t dot = value.rfind('.');
  return dot != value.npos && value.size() - dot <= 6 &&
         all_are(value.substr(dot + 1), kLower | kDigit);
}

bool is_weak_secret(const Scan& scan, const Assignment& found, std::string_view value) {
  constexpr std::size_t kLeast = 20;
  return value.size() >= kLeast && value.size() <= 512 && !is_uuid(value) && !is_digest(value) &&
         found.way != Way::kInline && found.way != Way::kCompared && found.way != Way::kArgument &&
         !(found.way == Way::kBare && scan.path.code) &&
         all_are(value, kBase64Url | kBase64 | kEquals | kDot) && has(value, kDigit) &&
         has(value, kLower) && has(value, kUpper) && looks_random(value, 0.5) &&
         entropy(value) >= 3.5 && !value.starts_with("MII") && !ends_in_extension(value);
}

struct VendorRow {
  const NamedKind* kind;
  std::vector<std::string_view> vendors;
  std::vector<Shape> shapes;
};

const std::vector<VendorRow>& vendor_rows() {
  static const std::vector<VendorRow> rows = [] {
    std::vector<VendorRow> built;
    for (const NamedKind& kind : named_kinds()) {
      VendorRow row{&kind, {}, Shape::parse(kind.shapes)};
      std::string_view vendors = kind.vendors;
      while (!vendors.empty()) {
        row.vendors.push_back(vendors.substr(0, vendors.find('|')));
        vendors.remove_prefix(std::min(row.vendors.back().size() + 1, vendors.size()));
      }
      built.push_back(std::move(row));
    }
    return built;
  }();
  return rows;
}

const SecretKind* vendor_kind(std::string_view folded, std::string_view value) {
  const bool random = looks_random(value, 0.3);
  for (const VendorRow& row : vendor_rows()) {
    const bool named = std::any_of(row.vendors.begin(), row.vendors.end(), [&](std::string_view v) {
      return folded.find(v) != folded.npos;
    });
    if (!named) {
      continue;
    }
    for (const Shape& shape : row.shapes) {
      if (shape.covers(value) && (shape.any_text() || random)) {
        return &row.kind->kind;
      }
    }
  }
  return nullptr;
}

bool is_registry_login(std::string_view folded, std::string_view value) {
  if (folded != "auth" || value.size() < 8 || value.size() > 4096) {
    return false;
  }
  const std::string login = decode_base64(value, 4096);
  const std::size_t colon = login.find(':');
  return colon != login.npos && colon > 0 && colon + 1 < login.size() &&
         std::none_of(login.begin(), login.end(), [](char c) { return is(c, kControl); }) &&
         !is_placeholder(std::string_view(login).substr(colon + 1));
}

// "Bearer …" in front of the value: the form of a header, whose own part finds it.
bool is_authorization(std::string_view folded) { return folded.ends_with("authorization"); }

// Whether anything in it is not of a word: what most values fail, asked before all that costs more.
bool could_be_secret(std::string_view value) {
  constexpr std::size_t kLongestNumber = 20;
  if (value.starts_with("0x") && value.size() <= kLongestNumber &&
      all_are(value.substr(2, value.size() - 3), kHex)) {
    return false;
  }
  return value.size() >= 5 &&
         (has(value, kDigit) || !all_are(value, kWord | kDash | kDot) || value.size() >= 8);
}

// "this.password = password".
bool is_own_name(std::string_view name, std::string_view value) {
  return value.size() <= name.size() && all_are(value, kWord) && !has(value, kDigit) &&
         begins_with(name.substr(name.size() - value.size()), value);
}

// Neither stands for a secret nor is made to be known.
bool is_value(std::string_view value) { return !is_reference(value) && !is_placeholder(value); }

// What a program calls or does, whatever name it is given to.
bool is_wording(const Scan& scan, const Assignment& found, std::string_view value) {
  const std::string_view name = scan.part(found.name_begin, found.name_end);
  const bool written = scan.path.code || found.way != Way::kBare;
  return is_constant(value) || is_garbled(value) || is_record(value) || is_template(value) ||
         is_escaped_words(value) || is_own_name(name, value) ||
         (written &&
          (is_quoted_expression(value) || (is_parted_words(value) && !scan.path.settings)));
}

const SecretKind* kind_of(const Scan& scan, const Assignment& found, std::string_view name,
                          std::string_view folded, std::string_view value) {
  const Promise promise = promise_of(name, folded);
  if (promise == Promise::kNone) {
    return nullptr;
  }
  const auto holds = [&](std::string_view word) { return folded.find(word) != folded.npos; };
  if ((found.way == Way::kQuoted || found.way == Way::kArgument) &&
      ((is_word_list(value, 12) && (holds("mnemonic") || holds("seed") || holds("phrase"))) ||
       (is_word_list(value, 4) && holds("passphrase") && !scan.path.made_up))) {
    return &form_kind(kSecret);
  }
  if (found.way != Way::kCompared && folded.size() > 3 && value.size() >= 15) {
    if (const SecretKind* kind = vendor_kind(folded, value)) {
      return kind;
    }
  }
  if (promise == Promise::kPassword && is_password(scan, found, value)) {
    return &form_kind(is_in_connection_string(scan, found) ? kConnectionString : kPassword);
  }
  if ((promise == Promise::kSecret && is_secret(scan, found, value)) ||
      (promise == Promise::kWeak && is_weak_secret(scan, found, value))) {
    return &form_kind(kSecret);
  }
  return nullptr;
}

// "\0NAME=value\0": of a process's environment, or what a dump keeps of it.
bool is_environment_entry(const Scan& scan, const Assignment& found) {
  return found.way == Way::kBare && found.begin == found.name_end + 1 &&
         scan.text[found.name_end] == '=' &&
         (found.name_begin == 0 || scan.text[found.name_begin - 1] == '\0') &&
         (found.end == scan.text.size() || scan.text[found.end] == '\0') &&
         all_are(scan.part(found.name_begin, found.name_end), kUpper | kDigit | kUnderscore);
}

void judge(Scan& scan, Name name) {
  const auto found = read_assignment(scan.text, name);
  if (!found) {
    return;
  }
  const std::string_view value = scan.part(found->begin, found->end);
  const bool in_name = name.begin > 0 && scan.text[name.begin - 1] == ':' &&
                       scan.text[name.begin] != '_' && found->begin == name.end + 1;
  // Of encoded text, in which a name may stand by chance.
  const bool in_noise =
      found->way == Way::kInline && name.begin > 0 &&
      std::string_view("/\\^+!").find(scan.text[name.begin - 1]) != std::string_view::npos &&
      name.end - name.begin < 8;
  const bool in_type = name.begin > 1 && scan.part(name.begin - 2, name.begin) == "::";
  if (!could_be_secret(value) || in_name || in_type ||
      in_noise) {  // "arn:aws:...:secret:name", "AWS::Key"
    return;
  }
  std::array<char, kLongestName * 2 + 32> buffer;
  std::size_t length = 0;
  for (std::size_t i = name.begin; i < name.end && length < buffer.size(); ++i) {
    if (is(scan.text[i], kAlnum)) {
      buffer[length++] = lower(scan.text[i]);
    }
  }
  const std::string_view folded(buffer.data(), length);
  if (is_authorization(folded)) {
    return;
  }
  if (!scan.counts(found->begin, found->end) && !is_environment_entry(scan, *found)) {
    return;
  }
  const bool npm = (folded == "auth" || folded == "password" || folded == "authtoken") &&
                   scan.text[name.begin] == '_';
  if (npm && value.size() >= 8 && !is_sentence(value) && is_value(value) &&
      (looks_random(value, 0.3) || is_jumbled(value)) &&
      (found->way == Way::kBare || found->way == Way::kInline)) {
    scan.add(found->begin, found->end, form_kind(kNpmCredential), kByForm);
    return;
  }
  if (found->way == Way::kQuoted && is_registry_login(folded, value) && is_value(value)) {
    scan.add(found->begin, found->end, form_kind(kRegistryLogin), kByForm);
    return;
  }
  if (scan.path.checksums || scan.path.translation) {
    return;
  }
  const SecretKind* kind = kind_of(scan, *found, scan.part(name.begin, name.end), folded, value);
  if (kind != nullptr && is_value(value) && !is_harmless(value) &&
      !is_wording(scan, *found, value)) {
    const bool generic = kind == &form_kind(kPassword) || kind == &form_kind(kSecret) ||
                         kind == &form_kind(kConnectionString);
    scan.add(found->begin, found->end, *kind, generic ? kByName : kByVendor);
  }
}

void keyword(Scan& scan, std::size_t begin, std::size_t end) {
  if (begin >= scan.name_begin && end <= scan.name_end) {
    return;
  }
  const Name name = name_around(scan.text, begin, end);
  scan.name_begin = name.begin;
  scan.name_end = name.end;
  judge(scan, name);
}

constexpr FormTrigger kTriggers[] = {
    {"pass", true, keyword},       {"psk", true, keyword},         {"bindpw", true, keyword},
    {"rootpw", true, keyword},     {"seed_phrase", true, keyword}, {"seedphrase", true, keyword},
    {"creds", true, keyword},      {"pwd", true, keyword},         {"secret", true, keyword},
    {"token", true, keyword},      {"key", true, keyword},         {"auth", true, keyword},
    {"credential", true, keyword}, {"_pw", true, keyword},         {"hmac", true, keyword},
    {"pepper", true, keyword},     {"mnemonic", true, keyword},    {"_pat", true, keyword},
    {"contrasena", true, keyword}, {"_seed", true, keyword},
};

}  // namespace

std::span<const FormTrigger> assignment_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
