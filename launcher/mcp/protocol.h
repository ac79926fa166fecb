// The server's side of MCP for a server that has tools and nothing else: what is to be said to each
// line that comes in. Both eras
// (modelcontextprotocol.io/specification/2026-07-28/basic/versioning): revisions up to 2025-11-25
// begin with "initialize"; from 2026-07-28 on each request carries its revision. Pure: who calls it
// reads, writes and carries out the calls.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/mcp/message.h"

namespace agentbox::mcp {

// As tools/list shows it.
struct Description {
  std::string name, title, text;
  Json input, output;      // JSON Schemas of objects
  bool read_only = false;  // it changes nothing
};

struct ToolResult {
  std::string text;    // empty: `structured` as text
  Json structured;     // an object, or null
  bool error = false;  // the model is told in `text`, and may do better
};

// A tool is to be called, and its result to be given to Protocol::result().
struct ToolCall {
  Json id;
  std::string tool;
  Json arguments;                              // an object
  Json progress_token;                         // null: nobody asks
  bool structured = false, stateless = false;  // what the client's revision has
};

struct Reaction {
  std::vector<Json> messages;  // to be sent
  std::vector<ToolCall> calls;
  std::vector<Json> cancelled;  // ids: their results are not to be sent
};

// Not thread-safe.
class Protocol {
 public:
  struct Server {
    std::string name, title, version, instructions;
  };
  static constexpr std::size_t kMostPending = 16;  // calls at once

  Protocol(Server server, std::vector<Description> tools)
      : server_(std::move(server)), tools_(std::move(tools)) {}

  Reaction receive(std::string_view line);
  // For a line that was too long to be read.
  static Json too_long();

  // The call is over: the message to send, null for a call that was cancelled.
  Json result(const ToolCall& call, const ToolResult& result);
  // `done` must grow from one to the next of the same call.
  static Json progress(const ToolCall& call, double done, std::string_view message);

  // The newest first.
  static const std::vector<std::string>& versions();

 private:
  void take(Message message, Reaction& reaction);
  void take(const Request& request, Reaction& reaction);
  void take(const Notification& notification, Reaction& reaction);
  Json initialize(const Request& request);
  Json discover() const;
  Json list(bool structured) const;
  void call(const Request& request, bool stateless, Reaction& reaction);
  Json complete(Json result) const;

  const Server server_;
  const std::vector<Description> tools_;
  std::string version_;     // negotiated; empty: not yet
  std::set<Json> pending_;  // ids
};

}  // namespace agentbox::mcp
