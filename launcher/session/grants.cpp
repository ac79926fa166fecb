#include "launcher/session/grants.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"
#include "launcher/session/progress.h"
#include "policy/environment_rules.h"
#include "resolver/dotenv.h"

extern char** environ;

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using resolver::Reference;

constexpr std::size_t kLargestTemplate = 1 << 20;

// `op` may wait for a finger on a sensor; a minute is what people need, more looks like a hang.
constexpr std::chrono::milliseconds kTimeLimit{60'000};
// After that long it is likely that a program asks for something in a window of its own.
constexpr std::chrono::seconds kPatience{2};

using Clock = std::chrono::steady_clock;

Grant from_policy(const policy::Secret& secret, const Templates& templates) {
  Grant grant;
  grant.name = secret.name;
  grant.env = secret.env;
  grant.file = secret.file;
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

void record_resolution(const resolver::Resolution& resolution, Recorder& recorder) {
  audit::Record record;
  record.event = "resolve";
  record.reference = resolution.reference.text;
  record.backend = resolution.backend;
  record.latency = resolution.latency;
  record.cache = false;
  if (const auto* value = std::get_if<resolver::Value>(&resolution.answer)) {
    record.version = value->version;
    record.outcome = "ok";
  } else {
    const auto& failed = std::get<resolver::Failed>(resolution.answer);
    record.outcome = "failed";
    record.error = resolver::failure_name(failed.failure);
    record.reason = failed.message;
  }
  recorder.write(std::move(record));
}

// One Error for all that failed, so that the user mends everything in one go.
void refuse_failures(const std::vector<resolver::Resolution>& resolutions) {
  std::string message;
  std::string hint;
  for (const resolver::Resolution& resolution : resolutions) {
    if (const auto* failed = std::get_if<resolver::Failed>(&resolution.answer)) {
      message += "\n    " + base::printable(resolution.reference.text) + " (" +
                 resolution.backend + "): " + failed->message;
      if (hint.empty()) {
        hint = failed->hint;
      }
    }
  }
  if (!message.empty()) {
    throw Error(Status::kConfiguration, "secrets could not be resolved, nothing was started:" +
                                            message, hint);
  }
}

// Takes the grant's value out of the resolutions, which `next` walks in the order of wanted().
resolver::Secret take_value(Grant& grant, std::vector<resolver::Resolution>& resolutions,
                            std::size_t& next) {
  if (auto* literal = std::get_if<resolver::Secret>(&grant.source)) {
    return std::move(*literal);
  }
  if (std::holds_alternative<Reference>(grant.source)) {
    return std::move(std::get<resolver::Value>(resolutions[next++].answer).secret);
  }
  resolver::SecretBuilder text;
  for (const auto& piece : std::get<resolver::Template>(grant.source)) {
    if (const auto* literal = std::get_if<std::string>(&piece)) {
      text.append(*literal);
    } else {
      text.append(std::get<resolver::Value>(resolutions[next++].answer).secret.reveal());
    }
  }
  return text.take();
}

std::string source_text(const Grant& grant) {
  const auto* reference = std::get_if<Reference>(&grant.source);
  return reference != nullptr ? reference->text : std::string();
}

void record_release(const Grant& grant, const std::string& reference, Recorder& recorder) {
  for (const auto& [kind, where] : {std::pair{"env", grant.env}, std::pair{"file", grant.file}}) {
    if (where.empty()) {
      continue;
    }
    audit::Record record;
    record.event = "release";
    record.subject = grant.name;
    record.reference = reference;
    record.delivery = std::string(kind) + ":" + where;
    record.rule = grant.rule;
    record.outcome = "ok";
    recorder.write(std::move(record));
  }
}

// "waiting for op, vault (4 s); 1Password may be …"
std::string waiting_for(const std::vector<resolver::Pending>& pending, Clock::duration time) {
  std::string names;
  std::string meanwhile;
  for (const resolver::Pending& one : pending) {
    names += (names.empty() ? "" : ", ") + one.backend;
    meanwhile = meanwhile.empty() ? one.meanwhile : meanwhile;
  }
  if (names.empty()) {
    return {};
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return "waiting for " + names + " (" + std::to_string(seconds.count()) + " s)" +
         (meanwhile.empty() || time < kPatience ? "" : "; " + meanwhile);
}

}  // namespace

bool reaches_user(const Reference& reference) {
  return reference.scheme == "env" || reference.scheme == "file" || reference.scheme == "exec";
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

std::vector<Wanted> wanted(const std::vector<Grant>& grants) {
  std::vector<Wanted> all;
  for (const Grant& grant : grants) {
    if (const auto* reference = std::get_if<Reference>(&grant.source)) {
      all.push_back({grant.name, *reference});
    } else if (const auto* pieces = std::get_if<resolver::Template>(&grant.source)) {
      for (const auto& piece : *pieces) {
        if (const auto* inner = std::get_if<Reference>(&piece)) {
          all.push_back({grant.name, *inner});
        }
      }
    }
  }
  return all;
}

std::vector<resolver::Resolution> resolve(const std::vector<Wanted>& all,
                                          resolver::Resolver& resolver, Recorder& recorder) {
  if (all.empty()) {
    return {};
  }
  std::vector<Reference> references;
  for (const Wanted& one : all) {
    references.push_back(one.reference);
  }
  std::vector<resolver::Resolution> resolutions;
  {
    std::optional<Progress> shown;
    if (::isatty(STDERR_FILENO) == 1) {
      shown.emplace([&resolver, start = Clock::now()] {
        return waiting_for(resolver.pending(), Clock::now() - start);
      });
    }
    resolutions = resolver.resolve(references, kTimeLimit);
  }
  for (const resolver::Resolution& resolution : resolutions) {
    record_resolution(resolution, recorder);
  }
  return resolutions;
}

std::vector<Released> release(std::vector<Grant> grants, resolver::Resolver& resolver,
                              Recorder& recorder) {
  std::vector<Released> released;
  std::vector<resolver::Resolution> resolutions = resolve(wanted(grants), resolver, recorder);
  refuse_failures(resolutions);
  std::size_t next = 0;
  for (Grant& grant : grants) {
    const std::string reference = source_text(grant);
    resolver::Secret value = take_value(grant, resolutions, next);
    if (grant.sensitive) {
      record_release(grant, reference, recorder);
    }
    released.push_back({grant.name, grant.env, grant.file, std::move(value), grant.sensitive});
  }
  // The record is durable before the release: what follows may hand the values out.
  if (std::any_of(released.begin(), released.end(),
                  [](const Released& one) { return one.sensitive; })) {
    recorder.sync();
  }
  return released;
}

}  // namespace agentbox::session
