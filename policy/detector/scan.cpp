#include "policy/detector/scan.h"

#include <algorithm>
#include <cstring>

#include "policy/detector/bytes.h"
#include "policy/detector/randomness.h"

namespace agentbox::policy::detect {

namespace {

template <std::size_t n>
bool is_one_of(std::string_view value, const std::string_view (&values)[n]) {
  return std::any_of(std::begin(values), std::end(values), [&](std::string_view other) {
    return other.size() == value.size() && begins_with(value, other);
  });
}

constexpr std::string_view kLockFiles[] = {
    "package-lock.json",   "npm-shrinkwrap.json",
    "pnpm-lock.yaml",      "go.sum",
    "go.work.sum",         "packages.lock.json",
    "bun.lockb",           "deno.lock",
    "cartfile.resolved",   "package.resolved",
    "pubspec.lock",        "conan.lock",
    ".terraform.lock.hcl", "manifest.lock",
    "checksums.txt",       "sha256sums",
    "sha512sums",          "md5sums",
    "elm-stuff",           "mix.lock",
    "rebar.lock",          "gradle.lockfile",
};

constexpr std::string_view kCode[] = {
    "c",     "cc",     "cpp",     "cxx",  "h",    "hh",   "hpp",    "py",   "pyi", "js",   "jsx",
    "mjs",   "cjs",    "ts",      "tsx",  "mts",  "vue",  "svelte", "go",   "rs",  "java", "kt",
    "kts",   "scala",  "groovy",  "cs",   "fs",   "vb",   "swift",  "m",    "mm",  "rb",   "php",
    "pl",    "pm",     "lua",     "dart", "ex",   "exs",  "erl",    "hs",   "ml",  "clj",  "zig",
    "nim",   "jl",     "r",       "sol",  "css",  "scss", "less",   "html", "htm", "map",  "svg",
    "proto", "thrift", "graphql", "pas",  "pp",   "inc",  "def",    "hxx",  "ipp", "inl",  "cu",
    "asm",   "s",      "tcl",     "el",   "lisp", "scm",  "f90",    "v",    "sv",  "vhd",  "vim",
};

constexpr std::string_view kSettings[] = {
    "env", "ini", "properties", "conf", "cfg", "cnf", "yaml", "yml", "toml", "envrc", "config",
};

constexpr std::string_view kTranslations[] = {
    "locale", "locales", "i18n", "l10n", "lang", "langs", "translations", "messages", "_locales",
};

constexpr std::string_view kTests[] = {
    "test",         "tests",    "__tests__", "spec",          "specs",
    "testdata",     "fixtures", "mocks",     "__mocks__",     "testing",
    "__fixtures__", "examples", "samples",   "__snapshots__", "cypress",
};

// In a file's name.
constexpr std::string_view kMadeUp[] = {"test",   "spec.",    "mock",   "fixture",  "example",
                                        "sample", "template", ".dist",  ".tmpl",    ".md",
                                        ".rst",   ".adoc",    "readme", "changelog"};

}  // namespace

PathHints::PathHints(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
  const std::size_t dot = name.rfind('.');
  const std::string_view ending = dot == name.npos ? "" : name.substr(dot + 1);
  checksums = is_one_of(name, kLockFiles) || begins_with(ending, "lock") ||
              begins_with(ending, "sum") || begins_with(ending, "sha");
  code = is_one_of(ending, kCode);
  settings = is_one_of(ending, kSettings) || begins_with(name, ".env") || ends_with(name, "rc");
  translation = begins_with(ending, "po") || begins_with(ending, "xlf") ||
                begins_with(ending, "strings") || begins_with(ending, "arb");
  made_up = std::any_of(std::begin(kMadeUp), std::end(kMadeUp),
                        [&](std::string_view word) { return contains(name, word); });
  std::string_view rest = slash == path.npos ? "" : path.substr(0, slash);
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(directory.size() + 1, rest.size()));
    translation = translation || is_one_of(directory, kTranslations);
    made_up = made_up || is_one_of(directory, kTests);
  }
  netrc = name == ".netrc" || name == "_netrc" || name == "netrc" || name == ".authinfo";
  pgpass = name == ".pgpass" || name == "pgpass.conf" || name == "pgpass";
  master_key = ending == "key" && !code;
}

bool Scan::touches_binary(std::size_t at) {
  constexpr std::size_t kAround = 64, kAhead = 1024;
  const std::size_t begin = at - std::min(at, kAround);
  const std::size_t end = std::min(text.size(), at + kAround);
  const auto is_control = [](char c) { return is(c, kControl); };
  if (begin < clean_begin || end > clean_end) {
    const std::string_view around = part(begin, end);
    if (std::any_of(around.begin(), around.end(), is_control)) {
      return true;
    }
    // What comes next is asked for next.
    const std::string_view ahead = text.substr(end, kAhead);
    clean_begin = begin;
    clean_end = end + static_cast<std::size_t>(
                          std::find_if(ahead.begin(), ahead.end(), is_control) - ahead.begin());
  }
  return false;
}

bool Scan::is_in_binary(std::size_t at) {
  // A page of a program's longest strings, and of a source text that a program carries within.
  constexpr std::size_t kAround = 2048, kAhead = 8192;
  const std::size_t begin = at - std::min(at, kAround);
  const std::size_t end = std::min(text.size(), at + kAround);
  if (begin < unbroken_begin || end > unbroken_end) {
    if (std::memchr(text.data() + begin, 0, end - begin) != nullptr) {
      return true;
    }
    const std::string_view ahead = text.substr(end, kAhead);
    unbroken_begin = begin;
    unbroken_end = end + std::min(ahead.find('\0'), ahead.size());
  }
  return false;
}

bool Scan::counts(std::size_t begin, std::size_t end) {
  if (!is_in_binary(begin) && !touches_binary(begin)) {
    return true;
  }
  const std::string_view value = part(begin, end);
  const auto has = [&](std::uint16_t classes) {
    return std::any_of(value.begin(), value.end(), [&](char c) { return is(c, classes); });
  };
  constexpr std::size_t kLeast = 16;
  return value.size() >= kLeast && has(kDigit) && has(kLetter) && !has(kSpace | kControl) &&
         entropy(value) >= 3.2 && (looks_random(value, 0.45) || is_jumbled(value)) &&
         std::none_of(value.begin(), value.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace agentbox::policy::detect
