// Values that change at their source while a command has them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "launcher/control/server.h"
#include "launcher/session/grants.h"
#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"

namespace agentbox::session {

// What became of one secret that was looked up again.
struct Rotated {
  enum class Outcome {
    kUnchanged,
    kReplaced,  // the box's file holds the new value
    kStale,     // changed, but the command has the old one in its environment
    kLeased,    // its lease is renewed instead; another look would make another one
    kFailed,    // the old value stays
  };
  std::string name;
  Outcome outcome;
  std::string message;  // kFailed: why, no secret in it
};

// Looks up again what the policy asks for, in a thread of its own, and everything when asked to.
// Stores are asked as at a launch, so a token of theirs that was itself replaced (in its file, in a
// keyring) is taken anew. Every step is on the log before the box sees it.
class Rotation {
 public:
  // Masks a value and has it looked for in files, then replaces the box's file. A base::Error: the
  // box does not get it.
  using Deliver = std::function<void(const std::vector<Released>&)>;

  // Before release() takes the grants.
  Rotation(const Project& project, const policy::Scope& scope, const std::vector<Grant>& grants,
           Recorder& recorder, Deliver deliver);
  ~Rotation();
  Rotation(const Rotation&) = delete;
  Rotation& operator=(const Rotation&) = delete;

  // `released` must outlive this. The thread, if any secret needs one, has the caller's signal
  // mask. A record that cannot be written ends the session (Recorder::fail).
  void start(const std::vector<Released>& released);

  // Begins to look again at once, at all of them if `names` is empty. From any thread once started.
  // The number is for answer().
  std::uint64_t ask(const std::vector<std::string>& names);
  // Nothing while the look lasts. The last sixteen are kept; of others nothing more is known, and
  // the answer is an empty list. From any thread.
  std::optional<std::vector<Rotated>> answer(std::uint64_t number);

 private:
  using Clock = std::chrono::steady_clock;

  struct Held {
    Grant grant;  // without a value
    const Released* current = nullptr;
    std::vector<Released> newer;  // one, or none
    Clock::time_point due = Clock::time_point::max();
  };

  struct Question {
    std::vector<std::string> names;
    std::optional<std::vector<Rotated>> answer;
  };

  void run();
  Clock::time_point next_due() const;
  std::vector<Held*> due();
  std::vector<Rotated> look(const std::vector<Held*>& wanted);
  Rotated replace(Held& held, resolver::Secret value, const std::string& version);

  const Project& project_;
  const policy::Scope& scope_;
  Recorder& recorder_;
  const Deliver deliver_;
  std::vector<Held> held_;  // the thread's, once started
  std::mutex mutex_;        // over what follows
  std::condition_variable changed_;
  bool stop_ = false;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Question> questions_;
  std::thread thread_;
};

// "refresh" takes {"names": […]} or nothing, and gives {"number": N}; "refreshed" takes that, and
// gives {"secrets": [{name, outcome, message}]}, or {} while the look lasts.
control::Handlers rotation_handlers(Rotation& rotation);

}  // namespace agentbox::session
