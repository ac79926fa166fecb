#include "policy/secrets_reader.h"

#include <string_view>
#include <utility>

#include "policy/glob.h"
#include "policy/parameters.h"
#include "policy/reading.h"

namespace agentbox::policy {

namespace {

using Kind = JsonNode::Kind;

constexpr Key<Secret> kSecretAsKeys[] = {
    {"env",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.env = read_string(node, path);
       check_variable(secret.env, node.place, in_quotes(path));
     }},
    {"file",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.file = read_string(node, path);
       const bool home = secret.file.rfind("~/", 0) == 0;
       check_plain_path(std::string_view(secret.file).substr(home ? 2 : 0), node.place,
                        in_quotes(path));
       if (secret.file.front() == '/' || (home && secret.file[2] == '/')) {
         refuse(node.place,
                in_quotes(path) + ": " + in_quotes(secret.file) + " is an absolute path",
                "write \"~/…\", or a path relative to the project");
       }
     }},
};

constexpr Key<Secret> kSecretKeys[] = {
    {"from",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.from = read_string(node, path);
       check_printable(secret.from, node.place, in_quotes(path));
       if (secret.from.empty()) {
         refuse(node.place, in_quotes(path) + " is empty", "write a reference: \"local://NAME\"");
       }
       variables_in(secret.from, node.place);
     }},
    {"template",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.template_file = read_string(node, path);
       check_plain_path(secret.template_file, node.place, in_quotes(path));
     }},
    {"as", [](const JsonNode& node, const std::string& path,
              Secret& secret) { read_object<Secret>(node, path, kSecretAsKeys, secret); }},
    {"deliver",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.deliver = read_choice<Deliver>(
           node, path, {{"value", Deliver::kValue}, {"placeholder", Deliver::kPlaceholder}});
     }},
    {"hosts", [](const JsonNode& node, const std::string& path,
                 Secret& secret) { secret.hosts = read_hosts(node, path); }},
    {"refresh",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       // Stores count requests by the hour.
       secret.refresh = read_duration(node, path, std::chrono::seconds(10));
     }},
    {"cache",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.cache = read_duration(node, path, std::chrono::seconds(1));
     }},
    {"offline",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.offline = read_duration(node, path, std::chrono::seconds(1));
     }},
    {"description",
     [](const JsonNode& node, const std::string& path, Secret&) { ignore_string(node, path); }},
};

}  // namespace

void read_secrets(const JsonNode& node, const std::string& path, Document& document) {
  expect(node, Kind::kObject, path, "an object of secrets");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the secret");
    if (member.name == kReservedSecret) {
      refuse(member.place, "no secret can have the name " + in_quotes(member.name),
             "a file of this name is agentbox's own in each box: take another name");
    }
    Secret secret;
    secret.name = member.name;
    secret.place = member.place;
    const std::string own = dotted(path, member.name);
    read_object<Secret>(member.value, own, kSecretKeys, secret);
    if (secret.from.empty() == secret.template_file.empty()) {
      refuse(member.place, in_quotes(own) + " needs either \"from\" or \"template\"",
             "\"from\" takes one reference, \"template\" a file with references in it");
    }
    if (secret.env.empty() && secret.file.empty()) {
      refuse(member.place, in_quotes(own) + " goes nowhere",
             "say where: \"as\": {\"env\": \"NAME\"} or \"as\": {\"file\": \"~/path\"}");
    }
    if (secret.deliver == Deliver::kPlaceholder && secret.hosts.empty()) {
      refuse(member.place, in_quotes(own) + " is a placeholder without \"hosts\"",
             "name the hosts towards which it is swapped for the value");
    }
    if (secret.refresh && secret.file.empty()) {
      refuse(member.place,
             in_quotes(own) + " is to be refreshed, but a variable of a running program cannot be",
             "deliver it as a file: \"as\": {\"file\": \"~/path\"}");
    }
    if (secret.offline && (!secret.cache || *secret.offline < *secret.cache)) {
      refuse(member.place, in_quotes(own) + ": \"offline\" is for values from the cache",
             "add \"cache\", and make \"offline\" the longer one");
    }
    document.secrets.emplace(member.name, std::move(secret));
  }
}

std::map<std::string, std::vector<std::string>> secret_keys() {
  return {{"secrets.*", names_of<Secret>(kSecretKeys)},
          {"secrets.*.as", names_of<Secret>(kSecretAsKeys)}};
}

}  // namespace agentbox::policy
