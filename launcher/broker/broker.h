// What a box may ask its supervisor. Each box has a socket of its own, and who asks is known from
// the socket that the question came in on, never from what it says (DESIGN D5).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/log.h"
#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"

namespace agentbox::broker {

// The socket's name in the box's private directory; AGENTBOX_SOCKET tells its whole path.
inline constexpr const char* kSocketName = "broker.sock";

// A secret of this box by name and place; there is no field for a value.
struct SecretPlace {
  std::string name;
  std::string delivery;   // "value" or "placeholder"
  std::string env, file;  // where it is in the box; either may be empty
};

// A command of the policy that this box may run.
struct CommandPlace {
  std::string name, scope;
  // What its arguments may begin with; any if it is left out.
  std::optional<std::vector<std::string>> arguments;
};

// What became of a request for a secret.
struct Requested {
  bool ready = false;  // false: on its way, ask again
  SecretPlace place;   // when it is ready
};

// What is true of one box, as far as the box may know it.
struct Context {
  std::string session, box, scope;
  std::string tier;  // what the file view is: "live view", …
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::vector<SecretPlace> secrets;
  std::vector<std::string> on_request;  // names of secrets that this box may ask for
  std::vector<std::string> scopes;      // that this scope may spawn
  std::vector<CommandPlace> commands;
  // Why a path or "host:port" (kind: "path" or "host") is as it is, in a sentence; nullopt when
  // this box is not to know. Called on the serving thread.
  std::function<std::optional<std::string>(const std::string& kind, const std::string& subject)>
      explain;
  // Asks for a sibling and returns the broker's end of the link to it (spawning.h), over which a
  // refusal comes too. Empty: this box may start none. Called on the serving thread; must not wait.
  std::function<base::UniqueFd(const SpawnRequest& request, Stdio stdio)> spawn;
  std::string no_spawn = "this box may start no other";  // what is said then
  // Where the secret of this name is, or will be. Called on the serving thread, must not wait. What
  // it throws as base::Error is told to the box: it names nothing outside.
  std::function<Requested(const std::string& name, const std::string& reason)> request;
  // Every request and refusal, before it is answered; only event, subject, outcome and reason are
  // set. Called on the serving thread. What it throws refuses the request.
  std::function<void(const audit::Record&)> record;
};

// Serves one box from a thread of its own until destroyed. At most 16 connections besides those
// that wait for a child, 64 KiB a message, 50 requests a second (bursts of 100), five seconds to
// complete a message or take an answer, five minutes of silence (without a child); who exceeds that
// is disconnected. The end of a connection ends its children, except detached ones.
class Broker {
 public:
  // Takes a listening AF_UNIX stream socket (listen_at). Throws base::SystemError.
  Broker(base::UniqueFd listening_socket, Context context);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

// Binds and listens on directory/name, mode 0600. The path of a socket address cannot be relative
// to a descriptor, so it goes through /proc/self/fd. `name` has no slash and must not exist. Throws
// base::SystemError.
base::UniqueFd listen_at(int directory_fd, const std::string& name);

}  // namespace agentbox::broker
