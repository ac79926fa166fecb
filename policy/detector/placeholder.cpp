#include "policy/detector/placeholder.h"

#include <algorithm>
#include <array>
#include <span>

#include "policy/detector/bytes.h"
#include "policy/detector/randomness.h"

namespace agentbox::policy::detect {

namespace {

// In front of a value that says where the secret is.
constexpr std::string_view kReferencePrefixes[] = {
    "$(",
    "$[",
    "<%",
    "%(",
    "#{",
    "@{",
    "!ref",
    "!vault",
    "!sub",
    "!secret",
    "!env",
    "op://",
    "local://",
    "sops://",
    "pass://",
    "exec://",
    "vault:",
    "vault://",
    "secret://",
    "secrets://",
    "secret:",
    "ref+",
    "keyring:",
    "env:",
    "env.",
    "file:",
    "file://",
    "aws-sm://",
    "gcp-sm://",
    "arn:aws",
    "projects/",
    "enc[",
    "enc(",
    "{cipher}",
    "ssm:",
    "azurekv://",
    "akv://",
    "keyvault:",
    "@microsoft.keyvault",
    "{{",
    "bw://",
    "doppler://",
    "infisical://",
    "keepass:",
    "keychain:",
    "{aes}",
    "{resolve:",
    "awssm:",
    "sm://",
    "process.env",
    "os.environ",
    "$ansible_vault",
    "valuefrom",
    "secretkeyref",
    "kms:",
    "sops:",
    "$env:",
    "{env:",
    "{file:",
    "bao:",
};

// In front of what a password was hashed to, and of encoded things that are public.
constexpr std::string_view kHashPrefixes[] = {
    "$2a$",    "$2b$",    "$2y$",       "$1$",        "$5$",     "$6$",      "$y$",
    "$argon2", "$scrypt", "$pbkdf2",    "$apr1$",     "pbkdf2",  "argon2",   "scrypt:",
    "bcrypt",  "{ssha",   "{sha",       "{md5",       "{crypt}", "{bcrypt}", "sha1:",
    "sha256:", "sha512:", "sha1-",      "sha256-",    "sha384-", "sha512-",  "md5:",
    "md5-",    "sha256$", "scram-sha-", "pbkdf2_sha", "blake2",
};

constexpr std::string_view kHarmlessPrefixes[] = {
    "http://",
    "https://",
    "data:",
    "ssh-rsa",
    "ssh-ed25519",
    "ecdsa-sha2",
    "aaaab3nzac1",
    "aaaac3nzac1",
    "aaaae2vjzhn",
    "-----begin",
    "urn:",
    "ftp://",
    "git@",
    "age1",
    "ivborw0kggo",
    "/9j/",
    "r0lgod",
    "phn2zy",
    "mailto:",
    "npm:",
    "workspace:",
    "pkg:",
    "docker://",
    "s3://",
    "gs://",
    "ls0tls1crudjtibdrvju",
    "ls0tls1crudjtibqvujm",
    "application/",
    "text/",
    "image/",
    "migf",
    "miibijanbgkqhkig",
};

// Words that a person writes where another is to put a secret, wherever they stand in it.
constexpr std::string_view kPlaceholderWords[] = {
    "example",      "placeholder", "changeme",
    "change_me",    "change-me",   "change_this",
    "change-this",  "changethis",  "changeit",
    "redacted",     "your_",       "your-",
    "yourkey",      "yoursecret",  "yourpass",
    "yourtoken",    "yourapi",     "youraccess",
    "replaceme",    "replace_",    "replace-",
    "insert_",      "insert-",     "inserty",
    "dummy",        "sample",      "notreal",
    "not_real",     "not-real",    "not_a_real",
    "not-a-real",   "notasecret",  "not_a_secret",
    "not-a-secret", "foobar",      "lorem",
    "xxxxx",        "goes_here",   "goes-here",
    "goeshere",     "_here",       "-here",
    "todo",         "fixme",       "fake",
    "mocked",       "_mock",       "mock_",
    "mock-",        "-mock",       "placehold",
    "masked",       "hidden",      "obfuscated",
    "undefined",    "deadbeef",    "cafebabe",
    "donotuse",     "do_not_use",  "do-not-use",
    "unused",       "invalid",     "removed",
    "censored",     "fill_",       "fill-",
    "enter_",       "enter-",      "supersecret_key",
    "never-share",  "dont_use",    "sanitized",
    "snakeoil",     "someapikey",  "somesecret",
    "sometoken",    "some_",       "some-",
    "abcdef0123",   "123456789",   "987654321",
    "tutorial",     "ellipsis",    "...",
};

// The whole of it, whatever the case.
constexpr std::string_view kPlaceholders[] = {
    "password",
    "passwd",
    "pass",
    "secret",
    "token",
    "key",
    "apikey",
    "api_key",
    "api-key",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "yes",
    "no",
    "empty",
    "default",
    "required",
    "optional",
    "string",
    "number",
    "test",
    "testing",
    "test123",
    "test1234",
    "tests",
    "admin",
    "root",
    "user",
    "username",
    "guest",
    "postgres",
    "mysql",
    "mongo",
    "redis",
    "mariadb",
    "rabbitmq",
    "minio",
    "minioadmin",
    "elastic",
    "neo4j",
    "sa",
    "prompt",
    "ask",
    "interactive",
    "stdin",
    "file",
    "env",
    "value",
    "pass123",
    "foo",
    "bar",
    "baz",
    "qux",
    "mysecret",
    "mypassword",
    "mytoken",
    "mykey",
    "my-secret",
    "my_secret",
    "my-token",
    "my_token",
    "my-password",
    "my_password",
    "topsecret",
    "supersecret",
    "super-secret",
    "super_secret",
    "user:password",
    "user:pass",
    "user:passwd",
    "username:password",
    "bearer",
    "basic",
    "[filtered]",
    "unset",
    "disabled",
    "enabled",
    "access_token",
    "refresh_token",
    "client_secret",
    "authorization",
    "development",
    "production",
    "staging",
    "local",
    "localhost",
    "n/a",
    "na",
    "tbd",
    "correcthorsebatterystaple",
    "correct-horse-battery-staple",
    "abc123",
    "abcd1234",
    "1q2w3e4r",
    "asdf1234",
    "secretkey",
    "secret_key",
    "secret-key",
    "mysecretkey",
    "my-secret-key",
    "my_secret_key",
    "mysecretpassword",
    "secretpassword",
    "super-secret-key",
    "supersecretkey",
};

// What people take for an example's password, and for a real one.
constexpr std::string_view kCommonPasswords[] = {
    "hunter2",   "letmein",     "passw0rd",     "p@ssw0rd",  "p@ssword", "pa$$word",
    "password1", "password123", "password123!", "secret123", "admin123", "s3cr3t",
    "s3cret",    "swordfish",   "qwerty123",    "iloveyou",  "welcome1", "opensesame",
};

// Printed in vendors' documentation, or built into their emulators: parts that stand in no other.
constexpr std::string_view kDocumented[] = {
    "4eC39HqLyjWDarjtT1zdp7dc",                  // Stripe
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQ",    // jwt.io
    "TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7",  // jwt.io, earlier
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u",  // Azure storage emulator
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5",  // Azure Cosmos DB emulator
    "je7MtGbClwBF",                              // AWS
    "EXAMPLE",                                   // in all of AWS's
    "dmFjY2luZS1pcy1iZXR0ZXI",                   // Docker
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ",                // RFC 7617
    "QWxhZGRpbjpPcGVuU2VzYW1l",                  // RFC 7617
    "dXNlcjpwYXNzd29yZA",                        // "user:password"
    "dXNlcm5hbWU6cGFzc3dvcmQ",                   // "username:password"
    "dXNlcjpwYXNz",                              // "user:pass"
    "mF_9.B5f-4.1JqM",                           // RFC 6750
    "2YotnFZFEjr1zCsicMWpAA",                    // RFC 6749
    "SlAV32hkKG",                                // OpenID Connect
    "gX1fBat3bV",                                // RFC 6749
    "tGzv3JOkF0XG5Qx2TlKWIA",                    // RFC 6749
    "7Fjfp0ZBr1KtDRbnfVdmIw",                    // RFC 6749
    "9vZ2y6BwLcI1VQ2QkA3l",                      // a tutorial's
    "4twFt5NiznN84AWoo1d7KO1T_yoc0Z6XOpOVswac",  // PyJWT
};

constexpr std::size_t kNone = std::string_view::npos;

bool starts_with_any(std::string_view value, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return begins_with(value, prefix); });
}

// So many of a kind in a row, or three quarters the same: no generator does that.
bool repeats(std::string_view value) {
  std::size_t run = 1;
  std::size_t counts[256] = {};
  for (std::size_t i = 0; i < value.size(); ++i) {
    ++counts[static_cast<unsigned char>(value[i])];
    run = i > 0 && value[i] == value[i - 1] ? run + 1 : 1;
    if (run >= (value.size() < 32 ? 6 : 8)) {
      return true;
    }
  }
  return *std::max_element(counts, counts + 256) * 4 >= value.size() * 3;
}

bool is_path(std::string_view value) {
  const bool rooted = value.starts_with("/") || value.starts_with("./") ||
                      value.starts_with("../") || value.starts_with("~/") ||
                      (value.size() > 3 && is(value[0], kLetter) && value[1] == ':' &&
                       (value[2] == '\\' || value[2] == '/'));
  if (rooted) {
    const bool words = std::none_of(value.begin(), value.end(), [](char c) {
      return !is(c, kLetter | kUnderscore | kDash | kDot) && c != '/';
    });
    return strangeness(value) < 0.35 || (words && std::count(value.begin(), value.end(), '/') >= 2);
  }
  static constexpr std::string_view kEndings[] = {
      ".pem", ".key",  ".crt", ".cer",  ".p12",        ".pfx",      ".jks",  ".json",
      ".txt", ".yaml", ".yml", ".pub",  ".env",        ".ts",       ".js",   ".py",
      ".go",  ".html", ".php", ".xml",  ".toml",       ".conf",     ".ini",  ".asc",
      ".gpg", ".tsx",  ".vue", ".java", ".properties", ".keystore", ".kdbx", ".com",
  };
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return ends_with(value, ending); });
}

}  // namespace

bool is_reference(std::string_view value) {
  if (value.empty() || starts_with_any(value, kReferencePrefixes) ||
      starts_with_any(value, kHashPrefixes)) {
    return true;
  }
  // Of many random marks some stand side by side.
  const bool random =
      value.size() >= 40 && entropy(value) >= 4.5 && value.find("${") != 0 && value.find("{{") != 0;
  if (random) {
    return false;
  }
  if (value.find("${") != kNone || value.find("{{") != kNone || value.find("$(") != kNone ||
      value.find("<%") != kNone || value.find("#{") != kNone || value.find("%{") != kNone) {
    return true;
  }
  // "$ac_pwd", "\$_NAME", "$NAME/bin": a shell's
  std::string_view variable = value;
  if (variable.starts_with("\\$")) {
    variable.remove_prefix(1);
  }
  if (variable.size() > 2 && variable[0] == '$') {
    variable = variable.substr(1, variable.find('/') - 1);
    const bool parted = has(variable, kUnderscore);
    const bool upper = all_are(variable, kUpper | kUnderscore);
    if (!variable.empty() && all_are(variable, kLetter | kUnderscore) &&
        (upper || (parted && all_are(variable, kLower | kUnderscore)))) {
      return true;
    }
  }
  // $NAME, %NAME%, $NAME$, @NAME@, __NAME__, :name, {name}
  std::string_view name = value;
  if (value.size() > 1 && (value[0] == '$' || value[0] == '%' || value[0] == '@')) {
    name.remove_prefix(1);
    if (name.back() == value[0]) {
      name.remove_suffix(1);
    }
    if (std::all_of(name.begin(), name.end(),
                    [](char c) { return is(c, kUpper | kDigit | kUnderscore); })) {
      return true;
    }
    return value[0] == '$' &&
           std::all_of(name.begin(), name.end(),
                       [](char c) {
                         return is(c, kWord | kDot) || c == '>' || c == '-' || c == '[' || c == ']';
                       }) &&
           strangeness(name) < 0.35;
  }
  return (value.starts_with("{") && value.ends_with("}")) ||
         (value.size() > 4 && value.starts_with("__") && value.ends_with("__")) ||
         value.starts_with("%s") || value.starts_with("%v") || value == "%d" ||
         value.starts_with("{0}") || value.starts_with("{}");
}

bool is_placeholder(std::string_view value) {
  if (value.size() < 4 || repeats(value) || (value.size() < 256 && is_sequence(value))) {
    return true;
  }
  if ((value.starts_with("<") && value.ends_with(">")) ||
      (value.starts_with("[") && value.ends_with("]")) || value.starts_with("<your")) {
    return true;
  }
  for (const std::string_view documented : kDocumented) {
    if (value.find(documented) != kNone) {
      return true;
    }
  }
  constexpr std::size_t kLongestWritten = 128;  // bytes; no person writes more
  if (value.size() > kLongestWritten) {
    return false;
  }
  std::string_view bare = value;  // ":password"
  while (!bare.empty() && !is(bare.front(), kAlnum)) {
    bare.remove_prefix(1);
  }
  if (std::any_of(std::begin(kPlaceholders), std::end(kPlaceholders), [&](std::string_view word) {
        return (word.size() == value.size() && begins_with(value, word)) ||
               (word.size() == bare.size() && begins_with(bare, word));
      })) {
    return true;
  }
  // "smtp-password", "MyAppSecret": says what it is, and no more.
  constexpr std::size_t kLongestSaying = 28;
  if (value.size() <= kLongestSaying && all_are(value, kLetter | kDash | kUnderscore) &&
      (contains(value, "password") || contains(value, "passwd") || contains(value, "secret") ||
       contains(value, "token"))) {
    return true;
  }
  std::array<char, kLongestWritten> folded;
  std::transform(value.begin(), value.end(), folded.begin(), lower);
  const std::string_view text(folded.data(), value.size());
  return std::any_of(
      std::begin(kPlaceholderWords), std::end(kPlaceholderWords), [&](std::string_view word) {
        // A long random text may spell a short word.
        constexpr std::size_t kShort = 6, kLong = 24;
        return (word.size() >= kShort || text.size() < kLong) && text.find(word) != kNone;
      });
}

bool is_common_password(std::string_view value) {
  return std::any_of(std::begin(kCommonPasswords), std::end(kCommonPasswords),
                     [&](std::string_view word) {
                       return word.size() == value.size() && begins_with(value, word);
                     });
}

bool is_harmless(std::string_view value) {
  return starts_with_any(value, kHarmlessPrefixes) || is_path(value);
}

}  // namespace agentbox::policy::detect
