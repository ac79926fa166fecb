#include "policy/reading.h"

#include <optional>

#include "base/encode.h"
#include "base/error.h"
#include "base/number.h"
#include "policy/network_rules.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;
using Kind = JsonNode::Kind;

constexpr std::size_t kLongestName = 64;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

[[noreturn]] void refuse(const Place& place, const std::string& what, const std::string& hint) {
  throw Error(Status::kConfiguration, place.text() + ": " + what, hint);
}

std::string in_quotes(std::string_view text) { return '"' + base::printable(text) + '"'; }

std::string dotted(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

void expect(const JsonNode& node, Kind kind, const std::string& path, const std::string& wanted) {
  if (node.kind != kind) {
    refuse(node.place,
           (path.empty() ? std::string("the document") : in_quotes(path)) + ": expected " + wanted +
               ", found " + kind_name(node.kind),
           "see docs/policy.md for what stands there");
  }
}

std::string read_string(const JsonNode& node, const std::string& path) {
  expect(node, Kind::kString, path, "a string");
  if (node.text.find('\0') != std::string::npos) {
    refuse(node.place, in_quotes(path) + " holds a NUL byte", "remove it");
  }
  return node.text;
}

std::vector<Pattern> read_list(const JsonNode& node, const std::string& path) {
  expect(node, Kind::kList, path, "a list of strings");
  std::vector<Pattern> patterns;
  for (const JsonNode& item : node.items) {
    if (item.kind != Kind::kString) {
      refuse(item.place,
             in_quotes(path) + ": expected a list of strings, found " + kind_name(item.kind) +
                 " in it",
             "put it in quotes");
    }
    patterns.push_back({.text = read_string(item, path), .place = item.place});
  }
  return patterns;
}

std::uint64_t read_count(const JsonNode& node, const std::string& path, std::uint64_t least) {
  expect(node, Kind::kNumber, path, "a whole number");
  const std::optional<std::uint64_t> count = base::parse_number(node.text, 1 << 30);
  if (!count || *count < least) {
    refuse(node.place,
           in_quotes(path) + ": " + node.text + " is not a whole number from " +
               std::to_string(least) + " to 1073741824",
           "leave the key out for no limit of its own");
  }
  return *count;
}

std::uint64_t read_bytes(const JsonNode& node, const std::string& path) {
  constexpr std::uint64_t kLeast = 1 << 20;  // less than that starts no program
  if (node.kind != Kind::kNumber && node.kind != Kind::kString) {
    expect(node, Kind::kString, path, "a size such as \"8G\"");
  }
  const std::optional<std::uint64_t> bytes = base::parse_size(node.text);
  if (!bytes || *bytes < kLeast) {
    refuse(node.place,
           in_quotes(path) + ": " + in_quotes(node.text) + " is not a size of 1M or more",
           "write bytes, or a number with K, M, G or T: \"8G\"");
  }
  return *bytes;
}

std::chrono::seconds read_duration(const JsonNode& node, const std::string& path,
                                   std::chrono::seconds least) {
  constexpr std::chrono::seconds kMost = std::chrono::hours(24 * 30);
  expect(node, Kind::kString, path, "a time such as \"10m\"");
  const std::optional<std::chrono::seconds> time = base::parse_duration(node.text);
  if (!time || *time < least || *time > kMost) {
    refuse(node.place,
           in_quotes(path) + ": " + in_quotes(node.text) + " is not a time from " +
               std::to_string(least.count()) + "s to 30d",
           "write a number with s, m, h or d: \"10m\"");
  }
  return *time;
}

std::vector<std::string> read_names(const JsonNode& node, const std::string& path,
                                    const std::string& what) {
  std::vector<std::string> names;
  for (const Pattern& entry : read_list(node, path)) {
    check_name(entry.text, entry.place, what);
    if (std::find(names.begin(), names.end(), entry.text) != names.end()) {
      refuse(entry.place, in_quotes(path) + " names " + in_quotes(entry.text) + " twice",
             "remove one of the two");
    }
    names.push_back(entry.text);
  }
  return names;
}

std::vector<Pattern> read_network(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    parse_network_rule(pattern);
  }
  return patterns;
}

std::vector<std::string> read_hosts(const JsonNode& node, const std::string& path) {
  std::vector<std::string> hosts;
  for (const Pattern& entry : read_list(node, path)) {
    const bool wildcard = entry.text.rfind("*.", 0) == 0;
    const std::optional<std::string> host =
        canonical_host(std::string_view(entry.text).substr(wildcard ? 2 : 0));
    if (!host) {
      refuse(entry.place, in_quotes(path) + ": " + in_quotes(entry.text) + " is not a host name",
             "write a name without a port: \"api.example.com\" or \"*.example.com\"");
    }
    hosts.push_back((wildcard ? "*." : "") + *host);
  }
  return hosts;
}

void ignore_string(const JsonNode& node, const std::string& path) { read_string(node, path); }

void check_name(const std::string& name, const Place& place, const std::string& what) {
  const bool good = !name.empty() && name.size() <= kLongestName &&
                    (is_letter(name[0]) || is_digit(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
                    });
  if (!good) {
    refuse(place, what + " name " + in_quotes(name) + " is not allowed",
           "use up to 64 letters, digits, \"-\", \"_\" and \".\", a letter or digit first");
  }
}

void check_variable(const std::string& name, const Place& place, const std::string& what) {
  const bool good = !name.empty() && !is_digit(name[0]) &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  if (!good) {
    refuse(place, what + ": " + in_quotes(name) + " is not the name of a variable",
           "use letters, digits and \"_\", no digit first");
  }
}

}  // namespace agentbox::policy
