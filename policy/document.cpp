#include "policy/document.h"

#include <algorithm>
#include <initializer_list>

#include "policy/commands_reader.h"
#include "policy/content_glob.h"
#include "policy/glob.h"
#include "policy/home_glob.h"
#include "policy/json_tree.h"
#include "policy/reading.h"
#include "policy/scopes_reader.h"
#include "policy/secrets_reader.h"

namespace agentbox::policy {

namespace {

using Kind = JsonNode::Kind;

void check_variable_glob(const Pattern& pattern, const std::string& path) {
  const auto wild = [](char c) { return c == '*' || c == '?'; };
  std::string name = pattern.text;
  name.erase(std::remove_if(name.begin(), name.end(), wild), name.end());
  if (name.empty() && !pattern.text.empty()) {
    refuse(pattern.place,
           in_quotes(path) + ": " + in_quotes(pattern.text) + " would pass every variable",
           "name the variables that the box needs: \"LANG\", \"LC_*\"");
  }
  check_variable(name, pattern.place, in_quotes(path));
}

std::vector<Pattern> read_file_patterns(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    Glob{pattern};
  }
  return patterns;
}

std::vector<Pattern> read_home_patterns(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    HomeGlob{pattern};
  }
  return patterns;
}

// "choice" for every file, or {"glob": "choice", …}. `read` throws for a glob that cannot be read.
template <typename Choice>
std::vector<ChoiceFor<Choice>> read_choices(
    const JsonNode& node, const std::string& path,
    std::initializer_list<std::pair<const char*, Choice>> choices, Glob (*read)(const Pattern&)) {
  if (node.kind != Kind::kObject) {
    return {{{.text = "**", .place = node.place}, read_choice<Choice>(node, path, choices)}};
  }
  std::vector<ChoiceFor<Choice>> list;
  for (const JsonNode::Member& member : node.members) {
    const Pattern pattern{.text = member.name, .place = member.place};
    static_cast<void>(read(pattern));
    list.push_back(
        {pattern, read_choice<Choice>(member.value, dotted(path, member.name), choices)});
  }
  return list;
}

constexpr Key<Files> kFilesKeys[] = {
    {"hide", [](const JsonNode& node, const std::string& path,
                Files& files) { files.hide = read_file_patterns(node, path); }},
    {"redact", [](const JsonNode& node, const std::string& path,
                  Files& files) { files.redact = read_file_patterns(node, path); }},
    {"show", [](const JsonNode& node, const std::string& path,
                Files& files) { files.show = read_file_patterns(node, path); }},
    {"readonly", [](const JsonNode& node, const std::string& path,
                    Files& files) { files.readonly = read_file_patterns(node, path); }},
    {"detect",
     [](const JsonNode& node, const std::string& path, Files& files) {
       files.detect = read_choices<Detect>(node, path,
                                           {{"off", Detect::kOff},
                                            {"report", Detect::kReport},
                                            {"redact", Detect::kRedact},
                                            {"deny", Detect::kDeny}},
                                           [](const Pattern& pattern) { return Glob(pattern); });
     }},
    {"write_secrets",
     [](const JsonNode& node, const std::string& path, Files& files) {
       files.write_secrets = read_choices<WriteSecrets>(node, path,
                                                        {{"allow", WriteSecrets::kAllow},
                                                         {"mask", WriteSecrets::kMask},
                                                         {"deny", WriteSecrets::kDeny}},
                                                        content_glob);
     }},
};

constexpr Key<Home> kHomeKeys[] = {
    {"read", [](const JsonNode& node, const std::string& path,
                Home& home) { home.read = read_home_patterns(node, path); }},
    {"write", [](const JsonNode& node, const std::string& path,
                 Home& home) { home.write = read_home_patterns(node, path); }},
};

constexpr Key<Environment> kEnvironmentKeys[] = {
    {"pass",
     [](const JsonNode& node, const std::string& path, Environment& environment) {
       environment.pass = read_list(node, path);
       for (const Pattern& pattern : environment.pass) {
         check_variable_glob(pattern, path);
       }
     }},
    {"set",
     [](const JsonNode& node, const std::string& path, Environment& environment) {
       expect(node, Kind::kObject, path, "an object of variables");
       for (const JsonNode::Member& member : node.members) {
         check_variable(member.name, member.place, in_quotes(path));
         environment.set[member.name] = read_string(member.value, dotted(path, member.name));
       }
     }},
};

constexpr Key<Limits> kLimitsKeys[] = {
    {"memory", [](const JsonNode& node, const std::string& path,
                  Limits& limits) { limits.memory = read_bytes(node, path); }},
    {"processes", [](const JsonNode& node, const std::string& path,
                     Limits& limits) { limits.processes = read_count(node, path, 1); }},
    {"files", [](const JsonNode& node, const std::string& path,
                 Limits& limits) { limits.files = read_count(node, path, 16); }},
    {"spawn_depth", [](const JsonNode& node, const std::string& path,
                       Limits& limits) { limits.spawn_depth = read_count(node, path, 0); }},
    {"spawn_concurrent",
     [](const JsonNode& node, const std::string& path, Limits& limits) {
       limits.spawn_concurrent = read_count(node, path, 0);
     }},
};

void read_system(const JsonNode& node, const std::string& path, Document& document) {
  document.system = read_list(node, path);
  for (const Pattern& entry : document.system) {
    check_plain_path(entry.text, entry.place, in_quotes(path));
    if (entry.text.front() != '/' || entry.text.find_first_of("*?[") != std::string::npos) {
      refuse(entry.place,
             in_quotes(path) + ": " + in_quotes(entry.text) + " is not an absolute path",
             "name one directory or file without wildcards: \"/nix\"");
    }
  }
}

void read_extends(const JsonNode& node, const std::string& path, Document& document) {
  document.extends = read_list(node, path);
  for (const Pattern& entry : document.extends) {
    check_name(entry.text, entry.place, "the profile");
  }
}

void read_version(const JsonNode& node, const std::string& path, Document&) {
  expect(node, Kind::kNumber, path, "the number 1");
  if (node.text != "1") {
    refuse(node.place, in_quotes(path) + ": this agentbox knows version 1, not " + node.text,
           "write 1, or use the agentbox that the document was written for");
  }
}

constexpr Key<Document> kDocumentKeys[] = {
    {"$schema",
     [](const JsonNode& node, const std::string& path, Document&) { ignore_string(node, path); }},
    {"description",
     [](const JsonNode& node, const std::string& path, Document&) { ignore_string(node, path); }},
    {"version", read_version},
    {"extends", read_extends},
    {"files",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Files>(node, path, kFilesKeys, document.files);
     }},
    {"home", [](const JsonNode& node, const std::string& path,
                Document& document) { read_object<Home>(node, path, kHomeKeys, document.home); }},
    {"environment",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Environment>(node, path, kEnvironmentKeys, document.environment);
     }},
    {"system", read_system},
    {"secrets", read_secrets},
    {"scopes", read_scopes},
    {"commands", read_commands},
    {"network", [](const JsonNode& node, const std::string& path,
                   Document& document) { document.network = read_network(node, path); }},
    {"limits",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Limits>(node, path, kLimitsKeys, document.limits);
     }},
    {"history",
     [](const JsonNode& node, const std::string& path, Document& document) {
       document.history = read_choice<History>(
           node, path,
           {{"warn", History::kWarn}, {"refuse", History::kRefuse}, {"filter", History::kFilter}});
     }},
    {"view",
     [](const JsonNode& node, const std::string& path, Document& document) {
       document.view = read_choice<ViewMode>(
           node, path, {{"auto", ViewMode::kAuto}, {"live", ViewMode::kLive}});
     }},
    {"user_namespaces",
     [](const JsonNode& node, const std::string& path, Document& document) {
       expect(node, Kind::kBoolean, path, "true or false");
       document.user_namespaces = node.boolean;
     }},
};

}  // namespace

std::string Place::text() const {
  return line == 0 ? file : file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Document parse(std::string_view text, const std::string& file, const std::string& directory) {
  const JsonNode root = parse_json(text, file);
  Document document;
  document.file = file;
  document.directory = directory;
  document.place = root.place;
  read_object<Document>(root, "", kDocumentKeys, document);
  const bool versioned =
      std::any_of(root.members.begin(), root.members.end(),
                  [](const JsonNode::Member& member) { return member.name == "version"; });
  if (!versioned) {
    refuse(root.place, "the key \"version\" is missing", "add \"version\": 1");
  }
  return document;
}

std::map<std::string, std::vector<std::string>> known_keys() {
  std::map<std::string, std::vector<std::string>> keys = {
      {"", names_of<Document>(kDocumentKeys)},
      {"files", names_of<Files>(kFilesKeys)},
      {"home", names_of<Home>(kHomeKeys)},
      {"environment", names_of<Environment>(kEnvironmentKeys)},
      {"limits", names_of<Limits>(kLimitsKeys)}};
  keys.merge(secret_keys());
  keys.merge(scope_keys());
  keys.merge(command_keys());
  return keys;
}

}  // namespace agentbox::policy
