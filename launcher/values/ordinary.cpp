#include "launcher/values/ordinary.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "resolver/reference.h"

namespace agentbox::values {
namespace {

// Random text of `kTokenLength` is told by how often the kind of character changes in it.
constexpr std::size_t kTokenLength = 12;
constexpr std::size_t kLongToken = 16;
constexpr std::size_t kOpensshLine = 70;
constexpr std::size_t kMostWords = 7;     // of a name
constexpr std::size_t kLongestWord = 12;  // letters

// Names whose value is a secret, whatever it looks like.
constexpr std::string_view kStrongNames[] = {
    "password",   "passwd",    "passphrase", "secret",     "token", "apikey",
    "privatekey", "accesskey", "authkey",    "credential", "pwd",   "secretkey",
};
// Words of names whose value may be one, or the name of a method, a file, a header.
constexpr std::string_view kWeakWords[] = {
    "auth",       "key",    "pass",    "pw",      "dsn",           "cookie",  "salt",
    "webhook",    "jwt",    "sas",     "pin",     "seed",          "signing", "hmac",
    "encryption", "bearer", "session", "license", "authorization",
};
// A name that ends so does not hold what the rest of it says: TOKEN_URL, SECRET_NAME.
constexpr std::string_view kAboutWords[] = {
    "id",       "ids",      "name",      "user",    "username",    "url",      "uri",
    "urls",     "host",     "hostname",  "port",    "path",        "file",     "dir",
    "type",     "alg",      "algorithm", "length",  "size",        "ttl",      "expiry",
    "expires",  "expire",   "region",    "version", "description", "comment",  "note",
    "enabled",  "issuer",   "audience",  "count",   "policy",      "prefix",   "header",
    "field",    "endpoint", "mode",      "format",  "timeout",     "provider", "arn",
    "method",   "scope",    "scopes",    "email",   "domain",      "class",    "kind",
    "required", "strategy", "backend",   "store",   "helper",      "driver",   "rotation",
};
// A name with one of these says that its value is not kept secret.
constexpr std::string_view kPublicWords[] = {
    "public", "publishable", "pub",    "checksum",    "integrity", "commit", "sha",
    "sha256", "sha512",      "digest", "fingerprint", "version",   "md5",
};

// Whose identifier is good for something by itself.
constexpr std::string_view kHeldIds[] = {"session", "access", "secret", "sid"};

// Words of eight letters and more that stand as passwords in examples and as words in all else.
constexpr std::string_view kOrdinaryWords[] = {
    "admin123",
    "adminadmin",
    "administrator",
    "anonymous",
    "application",
    "authenticated",
    "authentication",
    "authorization",
    "available",
    "basic_auth",
    "client_credentials",
    "client_secret",
    "client_secret_basic",
    "client_secret_post",
    "company1",
    "configuration",
    "connection",
    "container",
    "credentials",
    "database",
    "database1",
    "development",
    "disabled",
    "documentation",
    "elasticsearch",
    "enabled",
    "encrypted",
    "external",
    "firebase",
    "hashicorp",
    "identity",
    "internal",
    "kubernetes",
    "letmein1",
    "localhost",
    "localhost:8080",
    "minioadmin",
    "mongodb",
    "my-secret",
    "my_secret",
    "mypassword",
    "mysecret",
    "mysecretpassword",
    "notsecret",
    "optional",
    "passphrase",
    "passw0rd",
    "password",
    "password1",
    "password12",
    "password123",
    "password1234",
    "postgres",
    "postgresql",
    "private_key",
    "privatekey",
    "production",
    "rabbitmq",
    "readonly",
    "repository",
    "required",
    "rootpassword",
    "rootroot",
    "sandbox1",
    "secret123",
    "secretkey",
    "secretpassword",
    "secretsecret",
    "service_account",
    "staging1",
    "standard",
    "supersecret",
    "test1234",
    "testpassword",
    "testtest",
    "undefined",
    "unlimited",
    "username",
    "x-api-key",
    "qwertyui",
    "qwertyuiop",
    "iloveyou",
    "basicauth",
    "bearerauth",
    "personal_access_token",
    "access_token",
    "refresh_token",
    "api_token",
    "secret_key",
    "accesstoken",
    "authtoken",
    "apikey",
    "tokenauth",
};

constexpr std::string_view kPlaceholders[] = {
    "changeme", "change_me", "change-me", "change this", "changethis", "change_this", "placeholder",
    "your_",    "your-",     "yourpass",  "yoursecret",  "yourtoken",  "yourkey",     "xxxx",
    "****",     "insert_",   "insert-",   "replace_",    "replace-",   "replaceme",   "dummy",
    "redacted", "concealed", "<your",     "example",     "my-secret-", "fill_in",     "....",
};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || is_upper(c); }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// As std::string_view::find(), whatever the case; `part` is in lower case.
bool contains_folded(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

bool equal_folded(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower(a) == b; });
}

template <typename Words>
bool is_one_of(std::string_view word, const Words& words) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view other) { return equal_folded(word, other); });
}

enum class Promise { kIdentifier, kNone, kWeak, kStrong };

// The words of a name: API_KEY, apiKey, api-key.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool starts = is_upper(c) && i > 0 && is_lower(name[i - 1]);
    if ((starts || !(is_letter(c) || is_digit(c))) && !words.back().empty()) {
      words.emplace_back();
    }
    if (is_letter(c) || is_digit(c)) {
      words.back().push_back(lower(c));
    }
  }
  if (words.back().empty()) {
    words.pop_back();
  }
  return words;
}

Promise promise_of(std::string_view name) {
  const std::vector<std::string> words = words_of(name.substr(0, 256));
  // More words are a sentence.
  if (words.empty() || words.size() > kMostWords) {
    return Promise::kNone;
  }
  const auto any = [&](const auto& list) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& word) { return is_one_of(word, list); });
  };
  if (any(kPublicWords)) {
    return Promise::kIdentifier;
  }
  if (words.back() == "id" || words.back() == "ids" || words.back() == "uuid") {
    return any(kHeldIds) ? Promise::kNone : Promise::kIdentifier;
  }
  if (is_one_of(words.back(), kAboutWords)) {
    return Promise::kNone;
  }
  std::string joined;
  for (const std::string& word : words) {
    joined += word;
  }
  for (const std::string_view strong : kStrongNames) {
    if (contains(joined, strong)) {
      return Promise::kStrong;
    }
  }
  return any(kWeakWords) ? Promise::kWeak : Promise::kNone;
}

bool is_separator(char c) {
  return std::string_view(" \t\r\n/\\.-_:;,@=+?&#()[]{}|\"'~").find(c) != std::string_view::npos;
}

// Whether letters and digits stand in it as in nothing that is written by hand. `token` has no
// separators.
bool looks_random(std::string_view token) {
  if (token.size() < kTokenLength) {
    return false;
  }
  std::size_t changes = 0, digits = 0, letters = 0;
  bool lowers = false, uppers = false;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = token[i];
    digits += is_digit(c);
    letters += is_letter(c);
    lowers = lowers || is_lower(c);
    uppers = uppers || is_upper(c);
    if (i > 0) {
      const char before = token[i - 1];
      changes += is_digit(before) != is_digit(c) || is_lower(before) != is_lower(c);
    }
  }
  if (digits > 0 && letters > 0) {
    return changes * 5 >= token.size() && changes >= 3;
  }
  // CamelCase changes at each word, twice.
  return lowers && uppers && token.size() >= kLongToken && changes * 5 >= token.size() * 2;
}

// The same of what has separators in it.
bool has_random_part(std::string_view value, std::size_t shortest) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= value.size(); ++i) {
    if (i == value.size() || is_separator(value[i])) {
      if (i - begin >= shortest && looks_random(value.substr(begin, i - begin))) {
        return true;
      }
      begin = i + 1;
    }
  }
  // base64 has separators, and a UUID has short parts.
  const auto bytes = static_cast<std::size_t>(std::count_if(
      value.begin(), value.end(), [](char c) { return is_letter(c) || is_digit(c); }));
  const bool one_word = value.find_first_of(" \t\r\n/.:,@") == std::string_view::npos;
  if (one_word && value.size() >= kLongToken && bytes * 10 >= value.size() * 8) {
    std::size_t digits = 0, changes = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      digits += is_digit(value[i]);
      changes += i > 0 && is_digit(value[i]) != is_digit(value[i - 1]);
    }
    return changes * 4 >= value.size() && digits * 8 >= value.size() && bytes > digits;
  }
  return false;
}

bool is_path(std::string_view value) {
  return value.starts_with('/') || value.starts_with("./") || value.starts_with("../") ||
         value.starts_with("~/") ||
         (value.size() > 2 && is_letter(value[0]) && value[1] == ':' &&
          (value[2] == '\\' || value[2] == '/'));
}

bool is_url(std::string_view value) {
  const std::size_t scheme = value.find("://");
  return scheme != std::string_view::npos && scheme > 0 && scheme < 24 &&
         std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(scheme),
                     [](char c) {
                       return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                     });
}

// Letters, digits and signs, as a password that was made up has them: Tr0ub4dor&3.
bool looks_made_up(std::string_view value) {
  const auto has = [&](auto test) { return std::any_of(value.begin(), value.end(), test); };
  return value.size() >= 10 && has(is_lower) && has(is_upper) && has(is_digit) && has([](char c) {
           return std::string_view("!#$%^&*?~|@").find(c) != std::string_view::npos;
         }) &&
         !has([](char c) {
           return std::string_view(" \t\n/<>()").find(c) != std::string_view::npos;
         });
}

// Whether it could be a word of a language: one that is found in many a file.
bool is_word(std::string_view value) {
  std::size_t vowels = 0, run = 0, longest = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!is_lower(value[i]) && !(i == 0 && is_upper(value[i]))) {
      return false;
    }
    const bool vowel = std::string_view("aeiouy").find(lower(value[i])) != std::string_view::npos;
    vowels += vowel;
    run = vowel ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  return value.size() <= kLongestWord && vowels * 4 >= value.size() && longest <= 4;
}

bool is_placeholder(std::string_view value) {
  const bool url = is_url(value);
  return std::any_of(std::begin(kPlaceholders), std::end(kPlaceholders),
                     [&](std::string_view word) {
                       // A host's name is often an example with a password that is none.
                       return !(url && word == "example") && contains_folded(value, word);
                     });
}

// "{CANARY}", "user:<password>", "sk-{name}": a name in brackets, with nothing but words around it.
bool has_named_place(std::string_view value, char open, char close) {
  const auto is_named = [](char c) { return is_letter(c) || c == '_' || c == '-' || c == '.'; };
  bool named = false;
  for (std::size_t at = 0; at < value.size();) {
    if (value[at] == open) {
      const std::size_t end = value.find(close, at);
      const std::string_view name =
          end == std::string_view::npos ? "" : value.substr(at + 1, end - at - 1);
      const auto digits = std::count_if(name.begin(), name.end(), is_digit);
      constexpr std::ptrdiff_t kMostDigits = 2;
      if (name.empty() || digits > kMostDigits || is_digit(name[0]) ||
          !std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_named(c) || is_digit(c) || c == ' '; })) {
        return false;
      }
      named = true;
      at = end + 1;
    } else if (is_named(value[at]) ||
               std::string_view(":/@ ?=&").find(value[at]) != std::string_view::npos) {
      ++at;
    } else {
      return false;
    }
  }
  return named;
}

}  // namespace

std::string_view password_in_url(std::string_view value) {
  if (!is_url(value)) {
    return {};
  }
  const std::string_view rest = value.substr(value.find("://") + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  // A password may hold an "@" that was not encoded: the last one ends it.
  const std::size_t at = authority.rfind('@'), colon = authority.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) {
    return {};
  }
  return authority.substr(colon + 1, at - colon - 1);
}

bool is_stand_in(std::string_view value) {
  if (resolver::is_reference(value) || has_named_place(value, '{', '}') ||
      has_named_place(value, '<', '>')) {
    return true;
  }
  if (value.size() > 1 && ((value.front() == '<' && value.back() == '>') ||
                           (value.front() == '%' && value.back() == '%'))) {
    return true;
  }
  const auto is_name = [](std::string_view text) {
    return !text.empty() && !is_digit(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_upper(c) || is_digit(c) || c == '_'; });
  };
  if (value.starts_with('$') && is_name(value.substr(1))) {
    return true;
  }
  for (const std::string_view open : {"${", "$(", "{{", "<%"}) {
    const std::size_t at = value.find(open);
    if (at == std::string_view::npos) {
      continue;
    }
    const char close = open == "$(" ? ')' : open == "<%" ? '>' : '}';
    if (value.find(close, at) != std::string_view::npos) {
      return true;
    }
  }
  return value.starts_with("ref+") || value.starts_with("arn:aws:");
}

bool is_monotonous(std::string_view value) {
  std::bitset<256> seen;
  std::array<std::size_t, 3> steps = {};
  for (std::size_t i = 0; i < value.size(); ++i) {
    seen.set(static_cast<unsigned char>(value[i]));
    if (i > 0) {
      const int step =
          static_cast<unsigned char>(value[i]) - static_cast<unsigned char>(value[i - 1]);
      if (step >= -1 && step <= 1) {
        ++steps[static_cast<std::size_t>(step + 1)];
      }
    }
  }
  const std::size_t in_order = *std::max_element(steps.begin(), steps.end());
  return seen.count() < 4 || in_order * 4 >= value.size() * 3;
}

bool is_ordinary(std::string_view value, std::string_view key) {
  if (is_monotonous(value) || is_stand_in(value) || is_placeholder(value) ||
      is_one_of(value, kOrdinaryWords)) {
    return true;
  }
  if (is_url(value)) {
    const std::string_view password = password_in_url(value);
    const bool credentials = !password.empty() && !is_stand_in(password) &&
                             !is_placeholder(password) && !is_one_of(password, kOrdinaryWords);
    return !credentials && !has_random_part(value, kLongToken);
  }
  // The first line of every key of OpenSSH without a passphrase.
  if (value.starts_with("b3BlbnNzaC1rZXktdjEA") && value.size() <= kOpensshLine) {
    return true;
  }
  const Promise promise = promise_of(key);
  if (is_path(value) && promise != Promise::kStrong) {
    return !has_random_part(value, 2 * kLongToken);
  }
  const bool random = has_random_part(value, kTokenLength) || looks_made_up(value);
  switch (promise) {
    case Promise::kStrong:
      return (is_path(value) && !random) || is_word(value);
    case Promise::kWeak: {
      const bool word = std::all_of(value.begin(), value.end(), [](char c) {
        return is_lower(c) || c == '_' || c == '-' || c == '.' || c == ' ';
      });
      return !random && (word || contains(value, " "));
    }
    case Promise::kIdentifier:
      return true;
    case Promise::kNone:
      break;
  }
  // Prose, and a line of a program, may well have something random in it.
  return !random || (value.size() < 2000 && std::count(value.begin(), value.end(), ' ') > 2);
}

}  // namespace agentbox::values
