#include "launcher/approvals/queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::approvals {

namespace {

constexpr std::size_t kLongestWord = 512;  // bytes, of what only explains

// Cut between characters of the printable form, which is ASCII where it was escaped.
std::string shown(const std::string& text, std::size_t longest) {
  std::string result = base::printable(text.substr(0, longest));
  return text.size() > longest ? result + "…" : result;
}

void make_printable(Request& request) {
  for (std::string* text : {&request.chain, &request.scope, &request.reason, &request.rule}) {
    *text = shown(*text, kLongestWord);
  }
  for (std::vector<std::string>* list : {&request.command, &request.secrets, &request.hosts}) {
    for (std::string& text : *list) {
      text = base::printable(text);
    }
  }
}

std::size_t length(const std::vector<std::string>& words) {
  std::size_t sum = 0;
  for (const std::string& word : words) {
    sum += word.size() + 1;
  }
  return sum;
}

std::string pause_key(const Request& request) { return request.box + '\0' + request.scope; }

Decision decision(Outcome outcome, const std::string& scope) {
  switch (outcome) {
    case Outcome::kGranted:
      return {outcome, {}};
    case Outcome::kDenied:
      return {outcome, "the user said no to scope " + scope};
    case Outcome::kTimedOut:
      return {outcome, "nobody answered in time, which is a no to scope " + scope};
    default:
      return {Outcome::kWithdrawn, "who asked has ended"};
  }
}

}  // namespace

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAsked:
      return "asked";
    case Outcome::kGranted:
      return "granted";
    case Outcome::kDenied:
      return "denied";
    case Outcome::kTimedOut:
      return "timed out";
    case Outcome::kWithdrawn:
      return "withdrawn";
    case Outcome::kRefused:
      break;
  }
  return "refused";
}

Queue::Queue(Options options)
    : options_(std::move(options)),
      changed_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"))) {
}

// With the lock held.
std::optional<Decision> Queue::refuse(const Request& request) {
  const auto no = [](std::string reason) { return Decision{Outcome::kRefused, std::move(reason)}; };
  if (closed_) {
    return no("the session is ending");
  }
  if (length(request.command) + length(request.secrets) + length(request.hosts) > kLongestCommand) {
    return no("what it would run is too long to be shown to the user: put it into a script");
  }
  const auto paused = paused_.find(pause_key(request));
  if (paused != paused_.end()) {
    if (Clock::now() < paused->second + kPause) {
      return no("the user has just said no to scope " + request.scope);
    }
    paused_.erase(paused);
  }
  const auto own = std::count_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.second.pending.request.box == request.box;
  });
  if (waiting_.size() >= kMostWaiting || static_cast<std::size_t>(own) >= kMostOfOneBox) {
    return no("too many requests wait for the user's answer");
  }
  return std::nullopt;
}

Decision Queue::decide(Request request) {
  const Asked asked = ask(std::move(request));
  return asked.decision ? *asked.decision : wait(asked.id);
}

Queue::Asked Queue::ask(Request request) {
  make_printable(request);
  Pending asked{.id = 0,
                .request = std::move(request),
                .since = std::chrono::system_clock::now(),
                .deadline = Clock::now() + options_.patience};
  const Request& what = asked.request;
  const bool attended = !options_.attended || options_.attended();
  const std::lock_guard lock(mutex_);
  if (!closed_ && !what.session_key.empty() && granted_.count(what.session_key) != 0) {
    options_.record(asked, Outcome::kGranted, "earlier answer");
    return {0, Decision{Outcome::kGranted, {}}};
  }
  std::optional<Decision> refused = refuse(what);
  if (!refused && !attended) {
    refused = {Outcome::kRefused,
               "scope " + what.scope +
                   " needs the user's approval, and nobody is there to give it: the session has no "
                   "terminal and no `agentbox approve --follow` runs"};
  }
  if (refused) {
    options_.record(asked, Outcome::kRefused, {});
    return {0, refused};
  }
  asked.id = ++next_;
  options_.record(asked, Outcome::kAsked, {});
  const std::uint64_t id = asked.id;
  waiting_.emplace(id, Waiting{std::move(asked), std::nullopt});
  tell();
  return {id, std::nullopt};
}

Decision Queue::wait(std::uint64_t id) {
  std::unique_lock lock(mutex_);
  Waiting& mine = waiting_.at(id);
  const auto deadline = mine.pending.deadline;
  // The map's entries stay where they are, and only this removes this one.
  answered_.wait_until(lock, deadline, [&] { return mine.answer.has_value(); });
  const struct Removal {
    Queue& queue;
    std::uint64_t id;
    ~Removal() {
      queue.waiting_.erase(id);
      queue.tell();
    }
  } removal{*this, id};
  if (!mine.answer) {
    settle(mine, Outcome::kTimedOut, {});
  }
  return decision(*mine.answer, mine.pending.request.scope);
}

// With the lock held. Nothing is answered before it is on the record.
void Queue::settle(Waiting& waiting, Outcome outcome, const std::string& actor) {
  const Request& request = waiting.pending.request;
  options_.record(waiting.pending, outcome, actor);
  waiting.answer = outcome;
  if (outcome == Outcome::kGranted && !request.session_key.empty()) {
    granted_[request.session_key] = true;
  }
  if (outcome == Outcome::kDenied) {
    if (paused_.size() >= kMostWaiting) {
      std::erase_if(paused_, [now = Clock::now()](const auto& entry) {
        return entry.second + kPause <= now;
      });
    }
    paused_[pause_key(request)] = Clock::now();
  }
}

std::vector<Pending> Queue::pending() const {
  std::vector<Pending> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, waiting] : waiting_) {
    if (!waiting.answer) {
      all.push_back(waiting.pending);
    }
  }
  return all;
}

bool Queue::answer(std::uint64_t id, bool yes, const std::string& actor) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(id);
  if (found == waiting_.end() || found->second.answer ||
      found->second.pending.deadline <= Clock::now()) {
    return false;
  }
  settle(found->second, yes ? Outcome::kGranted : Outcome::kDenied, actor);
  answered_.notify_all();
  return true;
}

void Queue::withdraw(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(id);
  if (found != waiting_.end() && !found->second.answer) {
    settle(found->second, Outcome::kWithdrawn, {});
    tell();
  }
  answered_.notify_all();
}

void Queue::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto& [id, waiting] : waiting_) {
    if (!waiting.answer) {
      try {
        settle(waiting, Outcome::kWithdrawn, {});
      } catch (...) {
        // Whoever keeps the record ends the session for it; a no needs none, and nobody may be left
        // waiting.
        waiting.answer = Outcome::kWithdrawn;
      }
    }
  }
  answered_.notify_all();
}

void Queue::tell() const {
  const std::uint64_t one = 1;
  // Full only after 2^64 changes that nobody read.
  [[maybe_unused]] const ssize_t n = ::write(changed_.get(), &one, sizeof one);
}

}  // namespace agentbox::approvals
