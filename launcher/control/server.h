// A session's own socket, for the user's other processes: what runs, end it, answer it. No box can
// reach it: boxes do not see the directory it is in, and a peer from another user namespace is sent
// away besides.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace agentbox::control {

// The longest answer, in bytes; requests keep to broker::kLongestMessage.
inline constexpr std::size_t kLongestAnswer = 4 << 20;

// Thrown by a handler: a code for programs, a message for people.
struct Refusal {
  std::string code, message;
};

// Called on the serving thread with the request's parameters (an object); what it returns is the
// result. Must not block for long: the others wait meanwhile.
using Handler = std::function<nlohmann::json(const nlohmann::json& params)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

// Serves from a thread of its own until destroyed, one request a connection, one after another; a
// peer has two seconds to say what it wants and two to take the answer. The messages are
// the broker's (launcher/broker/frame.h).
class Server {
 public:
  // Makes directory/session.sock (0600), which is there only once it answers, and goes with this.
  // Throws base::Error.
  Server(const std::string& directory, const std::string& session, Handlers handlers);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::control
