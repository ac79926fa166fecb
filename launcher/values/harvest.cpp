#include "launcher/values/harvest.h"

#include <algorithm>
#include <cstddef>

#include "launcher/values/collector.h"
#include "launcher/values/known_values.h"
#include "launcher/values/written_values.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
// A key store, a key in DER: whole, if it is not longer. What is longer is a database.
constexpr std::size_t kLargestBinary = 64 * 1024;
constexpr std::size_t kLookedAt = 8 * 1024;  // bytes, to tell text from the rest

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What the file is called, as the name of its only value: "db_password" for "db_password.txt".
std::string_view stem(std::string_view path) {
  std::string_view name = base_name(path);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

// What a file's name says of it, without the endings of its copies.
enum class Written { kSettings, kSource, kProse };

Written written_as(std::string_view path) {
  constexpr std::string_view kCopies[] = {".bak",  ".backup", ".old", ".orig",
                                          ".save", ".copy",   ".swp", "~"};
  constexpr std::string_view kSource[] = {
      "c",     "cc",     "cpp", "cxx", "h",   "hh", "hpp", "inc", "py",    "pyi", "js",
      "jsx",   "mjs",    "cjs", "ts",  "tsx", "go", "rs",  "rb",  "java",  "kt",  "scala",
      "swift", "groovy", "cs",  "fs",  "php", "pl", "pm",  "lua", "dart",  "ex",  "exs",
      "hs",    "ml",     "zig", "vue", "m",   "mm", "r",   "jl",  "proto", "sql",
  };
  constexpr std::string_view kProse[] = {"md", "rst", "adoc", "html", "htm", "tex", "org"};
  std::string_view name = base_name(path);
  for (bool copy = true; copy;) {
    copy = false;
    for (const std::string_view ending : kCopies) {
      if (name.size() > ending.size() && name.ends_with(ending)) {
        name.remove_suffix(ending.size());
        copy = true;
      }
    }
  }
  const std::size_t dot = name.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? "" : name.substr(dot + 1);
  const auto is_among = [&](const auto& endings) {
    return std::find(std::begin(endings), std::end(endings), ending) != std::end(endings);
  };
  return is_among(kSource)  ? Written::kSource
         : is_among(kProse) ? Written::kProse
                            : Written::kSettings;
}

// Letters and the marks between words: in a program or a text it stands for nothing but itself.
bool is_wording(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(" \t\n_-.,:;'\"`!?/()[]{}<>*&|=+%").find(c) != std::string_view::npos;
  });
}

bool is_json(std::string_view text, std::string_view path) {
  if (text.starts_with('{')) {
    return !text.starts_with("{{");
  }
  const std::size_t next = text.find_first_not_of(kBlank, 1);
  return text.starts_with('[') &&
         (path.ends_with(".json") ||
          (next != std::string_view::npos &&
           std::string_view("{[\"").find(text[next]) != std::string_view::npos));
}

}  // namespace

void harvest(std::string_view text, std::string_view path, const Taker& every_take) {
  const Written written = written_as(path);
  // Words that stand all over a program are not known, whatever name one of them is given to: they
  // would be left out of all else that it is made of.
  const Taker of_words = [&](std::string_view value, std::string_view key) {
    every_take(value, is_wording(value) ? "" : key);
  };
  const Taker& take = written == Written::kSettings ? every_take : of_words;
  Collector collector(take);
  if (text.starts_with("\xef\xbb\xbf")) {
    text.remove_prefix(3);
  }
  if (text.substr(0, kLookedAt).find('\0') != std::string_view::npos) {
    if (text.size() >= kShortestKnown && text.size() <= kLargestBinary) {
      take(text, "secret");
    }
    return;
  }
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) {
    return;
  }
  text = text.substr(first, text.find_last_not_of(kBlank) - first + 1);
  const std::string_view name = base_name(path);
  collector.keys(text);
  if (is_json(text, path)) {
    json_values(text, "", collector);
  } else if (name == ".netrc" || name == "_netrc" || name == "netrc") {
    netrc_values(text, collector);
  } else if (name == ".pgpass" || name == "pgpass.conf") {
    pgpass_values(text, collector);
  } else {
    if (text.find_first_of(" \t\n") == std::string_view::npos &&
        text.find('=') >= text.size() - 2) {
      collector.value(text, stem(path));
    }
    line_values(text, written == Written::kSource, collector);
  }
}

}  // namespace agentbox::values
