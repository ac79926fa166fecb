// How the parts of a policy document are read from JSON: every error has its place and what to
// write instead (base::Error, kConfiguration). Pure. `path` is a key as a user would say it
// ("files.hide").
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nearest.h"
#include "policy/document.h"
#include "policy/json_tree.h"

namespace agentbox::policy {

[[noreturn]] void refuse(const Place& place, const std::string& what, const std::string& hint);
std::string in_quotes(std::string_view text);
std::string dotted(const std::string& path, const std::string& name);
void expect(const JsonNode& node, JsonNode::Kind kind, const std::string& path,
            const std::string& wanted);

std::string read_string(const JsonNode& node, const std::string& path);
std::vector<Pattern> read_list(const JsonNode& node, const std::string& path);
// A whole number of `least` or more.
std::uint64_t read_count(const JsonNode& node, const std::string& path, std::uint64_t least);
// "8G", in bytes.
std::uint64_t read_bytes(const JsonNode& node, const std::string& path);
// "10m".
std::chrono::seconds read_duration(const JsonNode& node, const std::string& path,
                                   std::chrono::seconds least);
// Names of what the policy has elsewhere; `what` they are: "the secret".
std::vector<std::string> read_names(const JsonNode& node, const std::string& path,
                                    const std::string& what);
std::vector<Pattern> read_network(const JsonNode& node, const std::string& path);
// Host names, or "*." and one.
std::vector<std::string> read_hosts(const JsonNode& node, const std::string& path);
// What is there for people alone.
void ignore_string(const JsonNode& node, const std::string& path);

// Names become file names, log fields and words on a command line.
void check_name(const std::string& name, const Place& place, const std::string& what);
// The name of an environment variable.
void check_variable(const std::string& name, const Place& place, const std::string& what);

// One key of an object: its name, and how its value gets into the target.
template <typename Target>
struct Key {
  const char* name;
  void (*read)(const JsonNode& value, const std::string& path, Target& target);
};

template <typename Target>
void read_object(const JsonNode& node, const std::string& path, std::span<const Key<Target>> keys,
                 Target& target) {
  expect(node, JsonNode::Kind::kObject, path, "an object");
  for (const JsonNode::Member& member : node.members) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<Target>& candidate) {
      return member.name == candidate.name;
    });
    if (key == keys.end()) {
      std::vector<std::string> names;
      for (const Key<Target>& known : keys) {
        names.emplace_back(known.name);
      }
      const std::string near = base::nearest(member.name, names);
      refuse(member.place, "unknown key " + in_quotes(dotted(path, member.name)),
             near.empty() ? "docs/policy.md lists the keys" : "did you mean \"" + near + "\"?");
    }
    key->read(member.value, dotted(path, member.name), target);
  }
}

template <typename Target>
std::vector<std::string> names_of(std::span<const Key<Target>> keys) {
  std::vector<std::string> names;
  for (const Key<Target>& key : keys) {
    names.emplace_back(key.name);
  }
  return names;
}

template <typename Value>
Value read_choice(const JsonNode& node, const std::string& path,
                  std::initializer_list<std::pair<const char*, Value>> choices) {
  const std::string text = read_string(node, path);
  std::vector<std::string> names;
  std::string all;
  for (const auto& [name, value] : choices) {
    if (text == name) {
      return value;
    }
    names.emplace_back(name);
    all += (all.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  const std::string near = base::nearest(text, names);
  refuse(node.place, in_quotes(path) + ": " + in_quotes(text) + " is none of " + all,
         near.empty() ? "choose one of them" : "did you mean \"" + near + "\"?");
}

}  // namespace agentbox::policy
