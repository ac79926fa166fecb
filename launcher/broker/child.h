// A box's end of a spawn: asks for a sibling box and follows it. For programs that run in a box.
#pragma once

#include <array>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "launcher/broker/frame.h"
#include "launcher/broker/spawning.h"

namespace agentbox::broker {

// Its destruction ends the child, if it is not detached. Not thread-safe.
class Child {
 public:
  struct Event {
    enum class Kind {
      kWaiting,  // for someone's approval: `message` says for what
      kStarted,  // `receipt` tells what it got
      kEnded,    // the last one; of a detached child: right after kStarted, with status 0
    };
    Kind kind = Kind::kEnded;
    std::string message;
    nlohmann::json receipt;
    int status = 0;  // as waitpid(2) gives it
  };

  // Asks. `stdio`: for a child that is not detached, ends of pipes (pipe(2)): one to read its
  // input from, two to write its output and errors to; any other kind is refused. They stay the
  // caller's, who should close them now to see the other side's end. Throws base::Error (kFailed)
  // when there is no broker.
  Child(const std::string& socket_path, const SpawnRequest& request,
        const std::array<int, 3>& stdio = {-1, -1, -1});

  // Readable: next() may have something.
  int descriptor() const { return socket_.get(); }
  // The next event, or nullopt if there is none yet; wait() blocks for it. Throws base::Error:
  // kDenied when the policy or the user refuses, kNotFound and kCannotRun for the command,
  // kConfiguration for a wrong request, kFailed for the rest, also when the broker goes away.
  std::optional<Event> next();
  Event wait();

  // To the child's foreground process group. One that has ended takes no notice.
  void signal(int number);
  void resize(std::uint16_t rows, std::uint16_t columns);

 private:
  void send(const std::string& method, const nlohmann::json& params,
            const std::array<int, 3>* stdio = nullptr);
  std::optional<Event> take(const nlohmann::json& message);
  bool receive(bool block);

  base::UniqueFd socket_;
  FrameReader frames_;
  std::uint64_t last_id_ = 0;
  bool ended_ = false;
};

// The path of this box's broker ($AGENTBOX_SOCKET). Throws base::Error (kFailed) outside a box.
std::string socket_path();

}  // namespace agentbox::broker
