#include "policy/detector/scan.h"

#include <algorithm>

#include "policy/detector/bytes.h"

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
    "c",    "cc",   "cpp", "cxx",   "h",      "hh",    "hpp",    "py",      "pyi",   "js",
    "jsx",  "mjs",  "cjs", "ts",    "tsx",    "mts",   "vue",    "svelte",  "go",    "rs",
    "java", "kt",   "kts", "scala", "groovy", "cs",    "fs",     "vb",      "swift", "m",
    "mm",   "rb",   "php", "pl",    "pm",     "lua",   "dart",   "ex",      "exs",   "erl",
    "hs",   "ml",   "clj", "zig",   "nim",    "jl",    "r",      "sol",     "css",   "scss",
    "less", "html", "htm", "map",   "svg",    "proto", "thrift", "graphql",
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

}  // namespace agentbox::policy::detect
