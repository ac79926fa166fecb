#include "launcher/session/late_secrets.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/box/box.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

}  // namespace

LateSecrets::LateSecrets(const Prepared& prepared, const audit::Record& common,
                         const std::vector<Grant>& held, Recorder& recorder,
                         approvals::Queue* approvals)
    : prepared_(prepared),
      common_(common),
      scope_(prepared.policy.scopes.at(common.scope)),
      recorder_(recorder),
      approvals_(approvals) {
  for (const Grant& grant : held) {
    held_.push_back(
        {.name = grant.name, .delivery = "value", .env = grant.env, .file = grant.file});
  }
}

broker::Requested LateSecrets::request(const std::string& name, const std::string& reason) {
  for (const broker::SecretPlace& place : held_) {
    if (place.name == name) {
      return {.ready = true, .place = place};
    }
  }
  const std::vector<std::string>& allowed = scope_.request;
  if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
    throw Error(Status::kDenied,
                "this scope has no secret of that name, and may not ask for one: `agentbox "
                "explain` outside the box says what it has");
  }
  const std::lock_guard lock(mutex_);
  const auto known = states_.find(name);
  if (known == states_.end()) {
    states_.emplace(name, Known{});
    waiting_.push_back({name, reason});
    changed_.notify_all();
    return {};
  }
  if (known->second.state == State::kPending) {
    return {};
  }
  if (known->second.state == State::kFailed) {
    const std::string refusal = std::move(known->second.refusal);
    states_.erase(known);
    if (!refusal.empty()) {
      throw Error(Status::kDenied, refusal);
    }
    throw Error(Status::kDenied,
                "the secret could not be had: the user finds out why with `agentbox log`, and you "
                "may ask again");
  }
  return {.ready = true,
          .place = {.name = name,
                    .delivery = "value",
                    .env = {},
                    .file = join(box::kSecretsDirectory, name)}};
}

LateSecrets::Delivery LateSecrets::open(Deliver deliver) {
  deliver_ = std::move(deliver);
  if (!scope_.request.empty()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  return Delivery(*this);
}

void LateSecrets::close() {
  if (thread_.joinable()) {
    thread_.request_stop();
    if (approvals_ != nullptr) {
      approvals_->close();  // the thread may wait there
    }
    thread_.join();
  }
  sources_.clear();
}

void LateSecrets::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    const Wish wish = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Known known = handle(wish);
    lock.lock();
    states_[wish.name] = std::move(known);
  }
}

LateSecrets::Known LateSecrets::handle(const Wish& wish) {
  Known known{State::kFailed, {}};
  std::string outcome = "failed";
  try {
    note_request(wish, "asked");
    if (const approvals::Decision decision = decide(wish); !decision.granted()) {
      known.refusal = decision.reason;
      outcome = "refused";
    } else {
      fulfil(wish);
      outcome = "ok";
    }
  } catch (const Error&) {
    // The log says why; the box is not to know.
  }
  try {
    note_request(wish, outcome.c_str());
    known.state = outcome == "ok" ? State::kReady : State::kFailed;
  } catch (const Error&) {
    // The recorder ends the session.
  }
  return known;
}

approvals::Decision LateSecrets::decide(const Wish& wish) {
  const policy::Approve approve = scope_.approve.value_or(policy::Approve::kNever);
  if (approve == policy::Approve::kNever) {
    return {approvals::Outcome::kGranted, {}};
  }
  if (approvals_ == nullptr) {
    return {approvals::Outcome::kRefused,
            "scope " + scope_.name +
                " needs the user's approval for a secret that it asks for, and only the first box "
                "of a session can be asked about"};
  }
  approvals::Request request;
  request.box = common_.box;
  request.chain = common_.chain;
  request.scope = scope_.name;
  const std::string parameters = policy::text_of(prepared_.parameters);
  if (!parameters.empty()) {
    request.scope += " (" + parameters + ")";
  }
  request.reason = wish.reason;
  request.rule = scope_.place.text();
  request.secrets = {wish.name};
  if (approve == policy::Approve::kSession) {
    request.session_key = request.chain + '\n' + parameters + "\nsecret\n" + wish.name;
  }
  return approvals_->decide(std::move(request));
}

void LateSecrets::note_request(const Wish& wish, const char* outcome) {
  audit::Record record;
  record.event = "request";
  record.subject = wish.name;
  record.reason = base::printable(wish.reason);
  record.outcome = outcome;
  recorder_.demand(std::move(record));
}

void LateSecrets::fulfil(const Wish& wish) {
  // A scope that holds this secret alone; its variables can no longer be set.
  policy::Policy policy = prepared_.policy;
  policy.scopes.at(scope_.name).secrets = {wish.name};
  std::vector<Grant> grants =
      collect_grants(policy, scope_.name, prepared_.project, prepared_.layers.templates, {});
  for (Grant& grant : grants) {
    grant.env.clear();
    grant.file = join(box::kSecretsDirectory, wish.name);
  }
  sources_.emplace_back(prepared_.project, scope_, recorder_);
  Source& source = sources_.back();
  const std::vector<Released> released =
      release(std::move(grants), source.resolver, recorder_, Look::kAgain);
  source.leases.keep();
  deliver_(released);
}

}  // namespace agentbox::session
