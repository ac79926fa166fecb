#include "launcher/session/release.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>
#include <variant>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/progress.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using resolver::Reference;

// `op` may wait for a finger on a sensor; a minute is what people need, more looks like a hang.
constexpr std::chrono::milliseconds kTimeLimit{60'000};
// After that long it is likely that a program asks for something in a window of its own.
constexpr std::chrono::seconds kPatience{2};

using Clock = std::chrono::steady_clock;

void record_resolution(const resolver::Resolution& resolution, Recorder& recorder) {
  audit::Record record;
  record.event = "resolve";
  record.reference = resolution.reference.text;
  record.backend = resolution.backend;
  record.latency = resolution.latency;
  record.cache = resolution.cached;
  if (const auto* value = std::get_if<resolver::Value>(&resolution.answer)) {
    record.version = value->version;
    record.outcome = "ok";
    record.reason = resolution.offline;
  } else {
    const auto& failed = std::get<resolver::Failed>(resolution.answer);
    record.outcome = "failed";
    record.error = resolver::failure_name(failed.failure);
    record.reason = failed.message;
  }
  recorder.write(std::move(record));
}

void say_offline(const std::vector<resolver::Resolution>& resolutions) {
  for (const resolver::Resolution& resolution : resolutions) {
    if (!resolution.offline.empty()) {
      std::fprintf(stderr, "agentbox: %s is what the cache holds: %s\n",
                   base::printable(resolution.reference.text).c_str(),
                   base::printable(resolution.offline).c_str());
    }
  }
}

// One Error for all that failed, so that the user mends everything in one go.
void refuse_failures(const std::vector<resolver::Resolution>& resolutions) {
  std::string message;
  std::string hint;
  for (const resolver::Resolution& resolution : resolutions) {
    if (const auto* failed = std::get_if<resolver::Failed>(&resolution.answer)) {
      message += "\n    " + base::printable(resolution.reference.text) + " (" + resolution.backend +
                 "): " + failed->message;
      if (hint.empty()) {
        hint = failed->hint;
      }
    }
  }
  if (!message.empty()) {
    throw Error(Status::kConfiguration,
                "secrets could not be resolved, nothing was started:" + message, hint);
  }
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

// "agentbox: waiting for op, vault (4 s); 1Password may be …"
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
  return "agentbox: waiting for " + names + " (" + std::to_string(seconds.count()) + " s)" +
         (meanwhile.empty() || time < kPatience ? "" : "; " + meanwhile);
}

}  // namespace

std::vector<Wanted> wanted(const std::vector<Grant>& grants) {
  std::vector<Wanted> all;
  const auto add = [&](const Grant& grant, const Reference& reference) {
    all.push_back(
        {grant.name, reference, on_network(reference) ? grant.terms : resolver::CacheTerms()});
  };
  for (const Grant& grant : grants) {
    if (const auto* reference = std::get_if<Reference>(&grant.source)) {
      add(grant, *reference);
    } else if (const auto* pieces = std::get_if<resolver::Template>(&grant.source)) {
      for (const auto& piece : *pieces) {
        if (const auto* inner = std::get_if<Reference>(&piece)) {
          add(grant, *inner);
        }
      }
    }
  }
  return all;
}

std::vector<resolver::Resolution> resolve(const std::vector<Wanted>& all,
                                          resolver::Resolver& resolver, Recorder& recorder,
                                          Look look) {
  if (all.empty()) {
    return {};
  }
  std::vector<Reference> references;
  std::vector<resolver::CacheTerms> terms;
  for (const Wanted& one : all) {
    references.push_back(one.reference);
    terms.push_back(one.terms);
  }
  std::vector<resolver::Resolution> resolutions;
  {
    std::optional<Progress> shown;
    if (look == Look::kLaunch && ::isatty(STDERR_FILENO) == 1) {
      shown.emplace([&resolver, start = Clock::now()] {
        return waiting_for(resolver.pending(), Clock::now() - start);
      });
    }
    resolutions =
        open_cache().resolve(resolver, references, terms, kTimeLimit, look == Look::kAgain);
  }
  for (const resolver::Resolution& resolution : resolutions) {
    record_resolution(resolution, recorder);
  }
  return resolutions;
}

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

std::vector<Released> release(std::vector<Grant> grants, resolver::Resolver& resolver,
                              Recorder& recorder, Look look) {
  std::vector<Released> released;
  std::vector<resolver::Resolution> resolutions = resolve(wanted(grants), resolver, recorder, look);
  refuse_failures(resolutions);
  if (look == Look::kLaunch) {
    say_offline(resolutions);
  }
  std::size_t next = 0;
  for (Grant& grant : grants) {
    const std::string reference = source_text(grant);
    const std::size_t first = next;
    resolver::Secret value = take_value(grant, resolutions, next);
    const bool leased = std::any_of(
        resolutions.begin() + static_cast<std::ptrdiff_t>(first),
        resolutions.begin() + static_cast<std::ptrdiff_t>(next),
        [](const auto& one) { return std::get<resolver::Value>(one.answer).lifetime.count() > 0; });
    if (grant.sensitive) {
      record_release(grant, reference, recorder);
    }
    released.push_back(
        {grant.name, grant.env, grant.file, std::move(value), grant.sensitive, leased});
  }
  // The record is durable before the release: what follows may hand the values out.
  if (std::any_of(released.begin(), released.end(),
                  [](const Released& one) { return one.sensitive; })) {
    recorder.sync();
  }
  return released;
}

resolver::Cache open_cache() { return resolver::Cache(base::state_directory() + "/cache"); }

}  // namespace agentbox::session
