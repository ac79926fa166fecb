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

LateSecrets::LateSecrets(const Prepared& prepared, const std::string& scope,
                         const std::vector<Grant>& held, Recorder& recorder)
    : prepared_(prepared), scope_(scope), recorder_(recorder) {
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
  const std::vector<std::string>& allowed = prepared_.policy.scopes.at(scope_).request;
  if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
    throw Error(Status::kDenied,
                "this scope has no secret of that name, and may not ask for one: `agentbox "
                "explain` outside the box says what it has");
  }
  const std::lock_guard lock(mutex_);
  const auto known = states_.find(name);
  if (known == states_.end()) {
    states_.emplace(name, State::kPending);
    waiting_.push_back({name, reason});
    changed_.notify_all();
    return {};
  }
  if (known->second == State::kPending) {
    return {};
  }
  if (known->second == State::kFailed) {
    states_.erase(known);
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
  if (!prepared_.policy.scopes.at(scope_).request.empty()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  return Delivery(*this);
}

void LateSecrets::close() {
  if (thread_.joinable()) {
    thread_.request_stop();
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
    State state = State::kReady;
    try {
      fulfil(wish);
    } catch (const Error&) {
      state = State::kFailed;
    }
    try {
      note_request(wish, state == State::kReady ? "ok" : "failed");
    } catch (const Error&) {
      state = State::kFailed;  // the recorder ends the session
    }
    lock.lock();
    states_[wish.name] = state;
  }
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
  note_request(wish, "asked");
  // A scope that holds this secret alone; its variables can no longer be set.
  policy::Policy policy = prepared_.policy;
  policy.scopes.at(scope_).secrets = {wish.name};
  std::vector<Grant> grants =
      collect_grants(policy, scope_, prepared_.project, prepared_.layers.templates, {});
  for (Grant& grant : grants) {
    grant.env.clear();
    grant.file = join(box::kSecretsDirectory, wish.name);
  }
  sources_.emplace_back(prepared_.project, recorder_);
  Source& source = sources_.back();
  const std::vector<Released> released =
      release(std::move(grants), source.resolver, recorder_, Look::kAgain);
  source.leases.keep();
  deliver_(released);
}

}  // namespace agentbox::session
