#include "launcher/session/desk.h"

#include "base/error.h"
#include "launcher/nursery/asking.h"
#include "launcher/nursery/nursery.h"
#include "launcher/session/explain.h"

namespace agentbox::session {

namespace {

// In the box's words: no place in the user's own files.
std::optional<std::string> sentence(const Prepared& prepared, Tier tier, const std::string& kind,
                                    const std::string& subject) {
  const bool plain = kind == "path" && subject.find('/') == std::string::npos && subject != "~";
  try {
    const Explanation answer = explain(prepared.project, prepared.identity.home, prepared.policy,
                                       plain ? "./" + subject : subject, tier, Asker::kBox);
    std::string text = answer.decision + (answer.rule.empty() ? "" : " (" + answer.rule + ")") +
                       ": " + answer.detail;
    if (answer.detect && answer.detect->choice != "off") {
      text += "; where a secret is found in it: " + answer.detect->choice;
    }
    if (answer.write_secrets) {
      text += "; where a released value is written into it: " + answer.write_secrets->choice;
    }
    return text;
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

std::vector<broker::CommandPlace> places_of(
    const std::map<std::string, policy::Command>& commands) {
  std::vector<broker::CommandPlace> places;
  for (const auto& [name, command] : commands) {
    broker::CommandPlace place{.name = name, .scope = command.scope, .arguments = {}};
    if (command.args) {
      place.arguments.emplace();
      for (const policy::Pattern& rule : *command.args) {
        place.arguments->push_back(rule.text);
      }
    }
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace

broker::Context broker_context(const Prepared& prepared, Tier tier, const audit::Record& common,
                               const std::vector<Grant>& grants, LateSecrets& late,
                               Recorder& recorder, int nursery, bool of_command) {
  broker::Context context;
  context.session = common.session;
  context.box = common.box;
  context.scope = common.scope;
  context.tier = tier_name(tier);
  for (const Grant& grant : grants) {
    if (grant.sensitive) {
      context.secrets.push_back(
          {.name = grant.name, .delivery = "value", .env = grant.env, .file = grant.file});
    }
  }
  context.on_request = prepared.policy.scopes.at(common.scope).request;
  context.request = [&late](const std::string& name, const std::string& reason) {
    return late.request(name, reason);
  };
  context.scopes = prepared.policy.scopes.at(common.scope).spawn;
  if (nursery >= 0 && !of_command) {
    context.commands = places_of(prepared.policy.commands);
  }
  if (nursery < 0 && nursery::may_spawn(prepared.policy, common.scope)) {
    context.no_spawn =
        "a session with --review has no other boxes, and so none for the policy's commands";
  }
  if (nursery >= 0) {
    context.spawn = [nursery](const broker::SpawnRequest& request, broker::Stdio stdio) {
      return nursery::ask(nursery, request, std::move(stdio));
    };
  }
  context.explain = [&prepared, tier](const std::string& kind, const std::string& subject) {
    return sentence(prepared, tier, kind, subject);
  };
  context.record = [&recorder](const audit::Record& record) { recorder.demand(record); };
  return context;
}

}  // namespace agentbox::session
