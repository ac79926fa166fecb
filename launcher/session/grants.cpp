#include "launcher/session/grants.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"
#include "policy/environment_rules.h"
#include "resolver/dotenv.h"

extern char** environ;

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using resolver::Reference;

constexpr std::size_t kLargestTemplate = 1 << 20;

Grant from_policy(const policy::Secret& secret, const Templates& templates) {
  Grant grant;
  grant.name = secret.name;
  grant.env = secret.env;
  grant.file = secret.file;
  grant.refresh = secret.refresh.value_or(std::chrono::seconds(0));
  grant.terms = {secret.cache.value_or(std::chrono::seconds(0)),
                 secret.offline.value_or(std::chrono::seconds(0))};
  grant.rule = secret.place.text();
  if (secret.deliver == policy::Deliver::kPlaceholder) {
    throw Error(Status::kConfiguration,
                grant.rule + ": secret \"" + base::printable(secret.name) +
                    "\" asks for delivery as a placeholder, which this version cannot keep: the "
                    "network relay does not open TLS",
                "use \"deliver\": \"value\", and read docs/threat-model.md for what that means");
  }
  if (grant.env.empty() && grant.file.empty()) {
    throw Error(Status::kConfiguration,
                grant.rule + ": secret \"" + base::printable(secret.name) + "\" goes nowhere",
                "say where: \"as\": {\"env\": \"NAME\"} or \"as\": {\"file\": \"~/path\"}");
  }
  if (!secret.template_file.empty()) {
    const auto known = templates.find(secret.template_file);
    grant.source = resolver::parse_template(
        known != templates.end() ? known->second
                                 : base::read_file(secret.template_file, kLargestTemplate),
        secret.template_file);
  } else {
    grant.source = resolver::parse_reference(secret.from);
  }
  if (const auto* pieces = std::get_if<resolver::Template>(&grant.source)) {
    for (const auto& piece : *pieces) {
      const auto* inner = std::get_if<Reference>(&piece);
      if (inner != nullptr && inner->text.find("${") != std::string::npos) {
        throw Error(Status::kConfiguration,
                    secret.template_file + ": the variable in " + base::printable(inner->text) +
                        " is not bound: parameters have no part in templates",
                    "give the secret a \"from\" of its own");
      }
    }
  }
  const auto* reference = std::get_if<Reference>(&grant.source);
  if (secret.cache && reference != nullptr && !on_network(*reference)) {
    throw Error(Status::kConfiguration,
                grant.rule + ": secret \"" + base::printable(secret.name) +
                    "\" asks for the cache, but comes from no store on the network",
                "leave \"cache\" out: what is on this machine needs none");
  }
  return grant;
}

// An env file in the project may be the work of whoever wrote the repository (or of an agent), so
// it must not reach for the user's own environment and files.
void check_origin(const Grant& grant, const std::string& path, const Project& project) {
  const auto* reference = std::get_if<Reference>(&grant.source);
  char resolved[PATH_MAX];
  const bool inside =
      is_below(path, project.root) ||
      (::realpath(path.c_str(), resolved) != nullptr && is_below(resolved, project.root));
  if (reference != nullptr && reaches_user(*reference) && inside) {
    throw Error(Status::kDenied,
                grant.rule + ": " + reference->scheme + ":// references are not taken from a file "
                "inside the project",
                "move this line to an env file outside the project, or to your own policy (" 
                "~/.config/agentbox/policy.json)");
  }
}

// What "${NAME}" in an env file may stand for: no credential of the caller slips in that way.
std::optional<std::string_view> plain_variable(std::string_view name) {
  static const resolver::Lookup lookup = resolver::lookup_in(environ);
  return policy::looks_like_credential(name) ? std::nullopt : lookup(name);
}

void add_env_file(const std::string& file, const Project& project, std::vector<Grant>& grants) {
  const std::string path = file.front() == '/' ? file : join(project.working_directory, file);
  for (resolver::EnvEntry& entry : resolver::read_dotenv(path, plain_variable)) {
    Grant grant;
    grant.name = entry.name;
    grant.env = entry.name;
    grant.rule = base::printable(file) + ":" + std::to_string(entry.line);
    if (auto* literal = std::get_if<resolver::Secret>(&entry.value)) {
      grant.sensitive = policy::looks_like_credential(entry.name);
      grant.source = std::move(*literal);
    } else {
      grant.source = std::get<Reference>(std::move(entry.value));
    }
    check_origin(grant, path, project);
    std::erase_if(grants, [&](const Grant& earlier) {
      return earlier.env == grant.env && earlier.file.empty();
    });
    grants.push_back(std::move(grant));
  }
}

}  // namespace

bool reaches_user(const Reference& reference) {
  return reference.scheme == "env" || reference.scheme == "file" || reference.scheme == "exec" ||
         (reference.scheme == "sops" && reference.path.front().empty());  // an absolute path
}

bool on_network(const Reference& reference) {
  constexpr std::string_view kSchemes[] = {"aws-sm", "doppler", "infisical", "op", "vault"};
  return std::find(std::begin(kSchemes), std::end(kSchemes), reference.scheme) !=
         std::end(kSchemes);
}

std::vector<Grant> collect_grants(const policy::Policy& policy, const std::string& scope,
                                  const Project& project, const Templates& templates,
                                  const std::vector<std::string>& env_files) {
  std::vector<Grant> grants;
  for (const std::string& name : policy.scopes.at(scope).secrets) {
    grants.push_back(from_policy(policy.secrets.at(name), templates));
  }
  for (const std::string& file : env_files) {
    add_env_file(file, project, grants);
  }
  return grants;
}

}  // namespace agentbox::session
