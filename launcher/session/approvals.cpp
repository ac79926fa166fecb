#include "launcher/session/approvals.h"

#include "launcher/approvals/card.h"

namespace agentbox::session {

namespace {

using approvals::Outcome;
using approvals::Pending;
using nlohmann::json;
using std::chrono::steady_clock;

// `agentbox approve --follow` asks twice a second.
constexpr std::chrono::seconds kAttention{5};

std::string subject(const approvals::Request& request) {
  return request.is_for_secret() ? "secret " + request.secrets.front() : "scope " + request.scope;
}

json requests(const approvals::Queue& queue) {
  json all = json::array();
  for (const Pending& pending : queue.pending()) {
    all.push_back(approvals::to_json(pending));
  }
  return {{"requests", std::move(all)}};
}

}  // namespace

Approvals::Approvals(std::string user, bool terminal, Recorder& recorder)
    : user_(std::move(user)),
      terminal_(terminal),
      recorder_(recorder),
      queue_({.patience = std::chrono::minutes(5),
              .attended = [this] { return attended(); },
              .record = [this](const Pending& pending, Outcome outcome,
                               const std::string& actor) { record(pending, outcome, actor); }}) {}

bool Approvals::attended() const {
  return terminal_ || notice_.possible() ||
         steady_clock::now().time_since_epoch().count() < attended_until_.load();
}

void Approvals::record(const Pending& pending, Outcome outcome, const std::string& actor) {
  const approvals::Request& request = pending.request;
  audit::Record record;
  record.event = "approve";
  record.box = request.box;
  record.chain = request.chain;
  record.subject = subject(request);
  record.rule = request.rule;
  record.reason = request.reason;
  record.command = request.command.empty() ? "" : request.command.front();
  record.outcome = approvals::outcome_name(outcome);
  if (!actor.empty()) {
    record.actor = user_ + '/' + actor;
  }
  recorder_.demand(std::move(record));
  if (outcome == Outcome::kAsked) {
    notice_.show(subject(request) + " waits for your approval",
                 "agentbox approve " + std::to_string(pending.id));
  }
}

void Approvals::add_to(control::Handlers& handlers) {
  handlers["pending"] = [this](const json& params) {
    if (params.value("attend", false)) {
      attended_until_ = (steady_clock::now() + kAttention).time_since_epoch().count();
    }
    return requests(queue_);
  };
  handlers["answer"] = [this](const json& params) -> json {
    const auto id = params.find("id");
    const auto yes = params.find("yes");
    if (id == params.end() || !id->is_number_unsigned() || yes == params.end() ||
        !yes->is_boolean()) {
      throw control::Refusal{"bad_params", "give \"id\", a number, and \"yes\", true or false"};
    }
    if (!queue_.answer(id->get<std::uint64_t>(), yes->get<bool>(), "agentbox approve")) {
      throw control::Refusal{"not_found", "no request " + id->dump() + " waits (any more)"};
    }
    return {{"answered", *id}};
  };
}

std::optional<terminal::Question> Approvals::first() {
  const auto all = queue_.pending();
  if (all.empty()) {
    return std::nullopt;
  }
  return terminal::Question{.id = all.front().id,
                            .title = subject(all.front().request),
                            .lines = approvals::card(all.front().request),
                            .others = all.size() - 1};
}

// One that is gone meanwhile needs no answer. Not on the record, not granted: the session ends.
void Approvals::answer(std::uint64_t id, bool yes) { queue_.answer(id, yes, "terminal"); }

}  // namespace agentbox::session
