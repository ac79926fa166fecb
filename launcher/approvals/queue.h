// What boxes have asked for and the user has to answer: requests that wait, each with a deadline.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::approvals {

using Clock = std::chrono::steady_clock;

// What is asked. Most of it is the box's word and is made printable when it is taken in, so that
// nothing of it can drive the user's terminal or pass for a line of agentbox's own.
struct Request {
  std::string box;                   // id of the box that asks
  std::string chain;                 // its ancestry, "main/tests"
  std::string scope;                 // what it wants to start or use
  std::string reason;                // why it says it wants that
  std::string rule;                  // place of the policy's "approve"
  std::vector<std::string> command;  // argv
  std::vector<std::string> secrets, hosts;
  // A yes to one request is a yes to all with the same key for the rest of the session; empty: only
  // to this one. The chain, the scope and every parameter belong into it.
  std::string session_key;

  // It starts nothing: the box asks for one more secret, of its own scope.
  bool is_for_secret() const { return command.empty() && secrets.size() == 1; }
};

struct Pending {
  std::uint64_t id = 0;
  Request request;  // printable
  std::chrono::system_clock::time_point since;
  Clock::time_point deadline;
};

enum class Outcome {
  kAsked,
  kGranted,
  kDenied,
  kTimedOut,
  kWithdrawn,  // the box that asked, or the session, has ended
  kRefused,    // never asked: nobody could answer, too many wait, too long to be shown
};
const char* outcome_name(Outcome outcome);  // "asked", "granted", "denied", "timed out", …

struct Decision {
  Outcome outcome = Outcome::kRefused;
  std::string reason;  // for the box, a sentence
  bool granted() const { return outcome == Outcome::kGranted; }
};

struct Options {
  std::chrono::milliseconds patience = std::chrono::minutes(5);
  // Whether somebody could answer. Called with no lock held; nobody: refused at once.
  std::function<bool()> attended;
  // Every step, before it takes effect: kAsked, then one of the others, with who answered ("" where
  // nobody did). What it throws passes to who asks or answers, and nothing is granted.
  std::function<void(const Pending&, Outcome, const std::string& actor)> record;
};

// Thread-safe.
class Queue {
 public:
  static constexpr std::size_t kMostWaiting = 16;
  static constexpr std::size_t kMostOfOneBox = 4;
  static constexpr std::size_t kLongestCommand = 8192;  // bytes as shown; longer is refused
  // A box that was told no is not heard about the same scope for so long.
  static constexpr std::chrono::seconds kPause{10};

  // Throws base::SystemError.
  explicit Queue(Options options);

  // What became of a request at once: `decision`, or it waits under this number.
  struct Asked {
    std::uint64_t id = 0;
    std::optional<Decision> decision;
  };
  Asked ask(Request request);
  // Waits for the answer to a request that waits, once for each; time-out is a no.
  Decision wait(std::uint64_t id);
  // Both.
  Decision decide(Request request);

  // What waits, the oldest first.
  std::vector<Pending> pending() const;
  // False: no such request waits (any more). `actor` is who answers, for the record.
  bool answer(std::uint64_t id, bool yes, const std::string& actor);
  // Nobody wants that answer any more: it is not granted, and not shown.
  void withdraw(std::uint64_t id);
  // The session ends: whoever waits, and whoever asks from now on, is told no, on the record if
  // there still is one.
  void close() noexcept;

  // An eventfd(2), readable after each change of what waits; to be read by its one owner.
  int changed() const { return changed_.get(); }

 private:
  struct Waiting {
    Pending pending;
    std::optional<Outcome> answer;
  };

  std::optional<Decision> refuse(const Request& request);
  void settle(Waiting& waiting, Outcome outcome, const std::string& actor);
  void tell() const;

  const Options options_;
  base::UniqueFd changed_;
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::map<std::string, Clock::time_point> paused_;  // box and scope
  std::map<std::string, bool> granted_;              // session keys
  std::uint64_t next_ = 0;
  bool closed_ = false;
};

}  // namespace agentbox::approvals
