// An MCP server on two descriptors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/mcp/protocol.h"

namespace agentbox::mcp {

// One call under way, as the tool sees it. Thread-safe.
class Call {
 public:
  virtual ~Call() = default;
  virtual const Json& arguments() const = 0;
  // Readable once the client has cancelled the call, or is gone.
  virtual int cancelled() const = 0;
  // Tells the client, if it asked to be told.
  virtual void progress(const std::string& message) = 0;
};

struct Tool {
  Description description;
  // On a thread of its own. A base::Error becomes an error result with its message and hint.
  std::function<ToolResult(Call& call)> run;
};

class Server {
 public:
  Server(Protocol::Server self, std::vector<Tool> tools);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until `input` ends or `output` is closed; the calls under way are cancelled then and
  // waited for. SIGPIPE must be ignored. Throws base::SystemError.
  void run(int input, int output);

 private:
  class Running;

  void react(Reaction reaction);
  void start(ToolCall call);
  void finish(Running& running);
  void send(const Json& message);
  void reap();
  void cancel_all();

  std::mutex mutex_;  // of all below
  Protocol protocol_;
  const std::vector<Tool> tools_;
  std::vector<std::unique_ptr<Running>> running_;
  int output_ = -1;
  base::UniqueFd lost_;  // readable: the output is closed
};

}  // namespace agentbox::mcp
