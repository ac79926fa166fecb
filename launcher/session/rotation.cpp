#include "launcher/session/rotation.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <variant>

#include "base/error.h"
#include "launcher/session/accounts.h"
#include "launcher/session/store.h"

namespace agentbox::session {

using nlohmann::json;

namespace {

constexpr std::size_t kKept = 16;  // questions

// A grant that can be resolved again; a value that stood in an env file cannot.
std::optional<Grant> without_value(const Grant& grant) {
  Grant copy{.name = grant.name,
             .env = grant.env,
             .file = grant.file,
             .source = {},
             .rule = grant.rule,
             .sensitive = grant.sensitive,
             .refresh = grant.refresh,
             .terms = grant.terms};
  if (const auto* reference = std::get_if<resolver::Reference>(&grant.source)) {
    copy.source = *reference;
  } else if (const auto* pieces = std::get_if<resolver::Template>(&grant.source)) {
    copy.source = *pieces;
  } else {
    return std::nullopt;
  }
  return copy;
}

}  // namespace

Rotation::Rotation(const Project& project, const policy::Scope& scope,
                   const std::vector<Grant>& grants, Recorder& recorder, Deliver deliver)
    : project_(project), scope_(scope), recorder_(recorder), deliver_(std::move(deliver)) {
  for (const Grant& grant : grants) {
    if (std::optional<Grant> copy = without_value(grant)) {
      held_.emplace_back().grant = std::move(*copy);
    }
  }
}

Rotation::~Rotation() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Rotation::start(const std::vector<Released>& released) {
  const Clock::time_point now = Clock::now();
  bool any = false;
  for (Held& held : held_) {
    for (const Released& one : released) {
      if (one.name == held.grant.name && one.env == held.grant.env && one.file == held.grant.file) {
        held.current = &one;
      }
    }
    if (held.grant.refresh.count() > 0 && !held.current->leased) {
      held.due = now + held.grant.refresh;
      any = true;
    }
  }
  if (any) {
    thread_ = std::thread([this] { run(); });
  }
}

std::uint64_t Rotation::ask(const std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  questions_[++last_] = {names, std::nullopt};
  while (questions_.size() > kKept) {
    questions_.erase(questions_.begin());
  }
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { run(); });
  }
  changed_.notify_one();
  return last_;
}

std::optional<std::vector<Rotated>> Rotation::answer(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto question = questions_.find(number);
  return question == questions_.end() ? std::vector<Rotated>() : question->second.answer;
}

Rotation::Clock::time_point Rotation::next_due() const {
  Clock::time_point next = Clock::time_point::max();
  for (const Held& held : held_) {
    next = std::min(next, held.due);
  }
  return next;
}

std::vector<Rotation::Held*> Rotation::due() {
  std::vector<Held*> due;
  for (Held& held : held_) {
    if (held.due <= Clock::now()) {
      due.push_back(&held);
    }
  }
  return due;
}

void Rotation::run() {
  std::unique_lock lock(mutex_);
  const auto unanswered = [this] {
    return std::find_if(questions_.begin(), questions_.end(),
                        [](const auto& one) { return !one.second.answer; });
  };
  while (true) {
    const auto awake = [&] { return stop_ || unanswered() != questions_.end(); };
    const Clock::time_point next = next_due();
    if (next == Clock::time_point::max()) {
      changed_.wait(lock, awake);
    } else {
      changed_.wait_until(lock, next, awake);
    }
    if (stop_) {
      return;
    }
    const auto question = unanswered();
    const bool asked = question != questions_.end();
    const std::uint64_t number = asked ? question->first : 0;
    const std::vector<std::string> names =
        asked ? question->second.names : std::vector<std::string>();
    lock.unlock();
    std::vector<Held*> wanted = asked ? std::vector<Held*>() : due();
    for (Held& held : held_) {
      if (asked && (names.empty() ||
                    std::find(names.begin(), names.end(), held.grant.name) != names.end())) {
        wanted.push_back(&held);
      }
    }
    std::vector<Rotated> rotated;
    try {
      rotated = look(wanted);
    } catch (...) {
      recorder_.fail(std::current_exception());
      return;
    }
    for (Held* held : wanted) {
      if (held->due != Clock::time_point::max()) {
        held->due = Clock::now() + held->grant.refresh;
      }
    }
    lock.lock();
    if (const auto found = questions_.find(number); found != questions_.end()) {
      found->second.answer = std::move(rotated);
    }
  }
}

std::vector<Rotated> Rotation::look(const std::vector<Held*>& wanted_now) {
  std::vector<Rotated> rotated;
  std::vector<Held*> asked;
  std::vector<Grant> grants;
  for (Held* held : wanted_now) {
    if (held->current->leased) {
      rotated.push_back({held->grant.name, Rotated::Outcome::kLeased, {}});
    } else {
      asked.push_back(held);
      grants.push_back(*without_value(held->grant));
    }
  }
  std::shared_ptr<const resolver::Account> account;
  try {
    account = find_account(scope_, project_, recorder_, Ask::kNever, Look::kAgain);
  } catch (const base::Error& error) {
    // What the box has stays good; the store of the account may be back next time.
    for (const Grant& grant : grants) {
      rotated.push_back({grant.name, Rotated::Outcome::kFailed, error.what()});
    }
    return rotated;
  }
  resolver::Resolver resolver = make_resolver(project_, Ask::kNever, std::move(account));
  std::vector<resolver::Resolution> resolutions =
      resolve(wanted(grants), resolver, recorder_, Look::kAgain);
  std::size_t next = 0;
  for (std::size_t i = 0; i < grants.size(); ++i) {
    std::vector<Grant> own;
    own.push_back(std::move(grants[i]));
    const std::size_t count = wanted(own).size();
    const auto begin = resolutions.begin() + static_cast<std::ptrdiff_t>(next);
    const auto failed = std::find_if(
        begin, begin + static_cast<std::ptrdiff_t>(count),
        [](const auto& one) { return std::holds_alternative<resolver::Failed>(one.answer); });
    if (failed != begin + static_cast<std::ptrdiff_t>(count)) {
      rotated.push_back({own[0].name, Rotated::Outcome::kFailed,
                         std::get<resolver::Failed>(failed->answer).message});
      next += count;
      continue;
    }
    const std::string version =
        count == 1 ? std::get<resolver::Value>(begin->answer).version : std::string();
    rotated.push_back(replace(*asked[i], take_value(own[0], resolutions, next), version));
  }
  return rotated;
}

Rotated Rotation::replace(Held& held, resolver::Secret value, const std::string& version) {
  const Grant& grant = held.grant;
  if (resolver::equal(value, held.current->value)) {
    return {grant.name, Rotated::Outcome::kUnchanged, {}};
  }
  const bool reached = !grant.file.empty();
  audit::Record record;
  record.event = "rotate";
  record.subject = grant.name;
  if (const auto* reference = std::get_if<resolver::Reference>(&grant.source)) {
    record.reference = reference->text;
  }
  record.version = version;
  record.rule = grant.rule;
  record.delivery = reached ? "file:" + grant.file : "env:" + grant.env;
  record.outcome = reached ? "ok" : "stale";
  recorder_.write(record);
  if (!reached) {
    return {grant.name, Rotated::Outcome::kStale, {}};
  }
  recorder_.sync();
  std::vector<Released> newer;
  newer.push_back({grant.name, grant.env, grant.file, std::move(value), grant.sensitive});
  try {
    deliver_(newer);
  } catch (const base::Error& error) {
    record.outcome = "failed";
    record.error = error.what();
    recorder_.write(std::move(record));
    return {grant.name, Rotated::Outcome::kFailed, error.what()};
  }
  held.newer = std::move(newer);
  held.current = &held.newer.front();
  return {
      grant.name, grant.env.empty() ? Rotated::Outcome::kReplaced : Rotated::Outcome::kStale, {}};
}

namespace {

const char* outcome_name(Rotated::Outcome outcome) {
  switch (outcome) {
    case Rotated::Outcome::kUnchanged:
      return "unchanged";
    case Rotated::Outcome::kReplaced:
      return "replaced";
    case Rotated::Outcome::kStale:
      return "stale";
    case Rotated::Outcome::kLeased:
      return "leased";
    case Rotated::Outcome::kFailed:
      break;
  }
  return "failed";
}

json ask_rotation(Rotation& rotation, const json& params) {
  std::vector<std::string> names;
  if (const auto given = params.find("names"); given != params.end()) {
    if (!given->is_array()) {
      throw control::Refusal{"bad_params", "\"names\" is a list of names"};
    }
    for (const json& name : *given) {
      if (!name.is_string()) {
        throw control::Refusal{"bad_params", "\"names\" is a list of names"};
      }
      names.push_back(name);
    }
  }
  return {{"number", rotation.ask(names)}};
}

json answer_of(Rotation& rotation, const json& params) {
  const auto number = params.find("number");
  if (number == params.end() || !number->is_number_unsigned()) {
    throw control::Refusal{"bad_params", "\"number\" is what \"refresh\" gave"};
  }
  const std::optional<std::vector<Rotated>> answer = rotation.answer(*number);
  if (!answer) {
    return json::object();
  }
  json secrets = json::array();
  for (const Rotated& one : *answer) {
    secrets.push_back(
        {{"name", one.name}, {"outcome", outcome_name(one.outcome)}, {"message", one.message}});
  }
  return {{"secrets", std::move(secrets)}};
}

}  // namespace

control::Handlers rotation_handlers(Rotation& rotation) {
  return {{"refresh", [&](const json& params) { return ask_rotation(rotation, params); }},
          {"refreshed", [&](const json& params) { return answer_of(rotation, params); }}};
}

}  // namespace agentbox::session
