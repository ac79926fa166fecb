#include "launcher/mcp/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "launcher/mcp/lines.h"

namespace agentbox::mcp {

namespace {

base::UniqueFd make_event() {
  return base::UniqueFd(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd")));
}

void raise(const base::UniqueFd& event) { ::eventfd_write(event.get(), 1); }

std::vector<Description> descriptions(const std::vector<Tool>& tools) {
  std::vector<Description> all;
  for (const Tool& tool : tools) {
    all.push_back(tool.description);
  }
  return all;
}

ToolResult carry_out(const Tool& tool, Call& call) {
  ToolResult failed;
  failed.error = true;
  try {
    return tool.run(call);
  } catch (const base::Error& error) {
    failed.text = error.what();
    if (!error.hint().empty()) {
      failed.text += "\nnext: " + error.hint();
    }
  } catch (const std::exception& error) {
    failed.text = std::string("internal error: ") + error.what();
  }
  return failed;
}

}  // namespace

class Server::Running : public Call {
 public:
  Running(Server& server, ToolCall call)
      : server_(server), call_(std::move(call)), cancelled_(make_event()) {}
  ~Running() override {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  const Json& arguments() const override { return call_.arguments; }
  int cancelled() const override { return cancelled_.get(); }

  void progress(const std::string& message) override {
    const std::lock_guard lock(server_.mutex_);
    if (!call_.progress_token.is_null() && !ended_) {
      server_.send(Protocol::progress(call_, ++done_, message));
    }
  }

  void start(const Tool& tool) {
    thread_ = std::thread([this, &tool] {
      const ToolResult result = carry_out(tool, *this);
      const std::lock_guard lock(server_.mutex_);
      const Json message = server_.protocol_.result(call_, result);
      if (!message.is_null()) {
        server_.send(message);
      }
      over_ = true;
    });
  }

  // With the server's mutex held.
  void cancel() {
    ended_ = true;
    raise(cancelled_);
  }
  bool over() const { return over_; }
  const ToolCall& call() const { return call_; }

 private:
  Server& server_;
  const ToolCall call_;
  base::UniqueFd cancelled_;
  double done_ = 0;
  bool ended_ = false, over_ = false;
  std::thread thread_;
};

Server::Server(Protocol::Server self, std::vector<Tool> tools)
    : protocol_(std::move(self), descriptions(tools)),
      tools_(std::move(tools)),
      lost_(make_event()) {}

Server::~Server() = default;

void Server::run(int input, int output) {
  output_ = output;
  LineReader lines;
  std::array<char, 65536> buffer;
  for (;;) {
    std::array<pollfd, 2> ready = {pollfd{input, POLLIN, 0}, pollfd{lost_.get(), POLLIN, 0}};
    if (::poll(ready.data(), ready.size(), -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      base::check(-1, "poll");
    }
    if (ready[1].revents != 0) {
      break;
    }
    const ssize_t n = ::read(input, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (base::check(n, "read", "standard input") == 0) {
      break;
    }
    lines.add({buffer.data(), static_cast<std::size_t>(n)});
    while (const auto line = lines.next()) {
      reap();
      const std::lock_guard lock(mutex_);
      if (line->too_long) {
        send(Protocol::too_long());
      } else {
        react(protocol_.receive(line->text));
      }
    }
  }
  cancel_all();
  running_.clear();  // waits
}

// With the mutex held.
void Server::react(Reaction reaction) {
  for (const Json& message : reaction.messages) {
    send(message);
  }
  for (const Json& id : reaction.cancelled) {
    for (const auto& running : running_) {
      if (running->call().id == id && !running->over()) {
        running->cancel();
      }
    }
  }
  for (ToolCall& call : reaction.calls) {
    start(std::move(call));
  }
}

void Server::start(ToolCall call) {
  const auto tool = std::find_if(tools_.begin(), tools_.end(), [&](const Tool& one) {
    return one.description.name == call.tool;
  });
  running_.push_back(std::make_unique<Running>(*this, std::move(call)));
  running_.back()->start(*tool);
}

// With the mutex held, so that messages do not mix.
void Server::send(const Json& message) {
  try {
    base::write_all(output_, line_of(message));
  } catch (const base::Error&) {
    raise(lost_);  // nobody is left to tell
  }
}

// Not with the mutex held: the end of a thread may wait for it.
void Server::reap() {
  std::vector<std::unique_ptr<Running>> over;
  const std::lock_guard lock(mutex_);
  for (auto running = running_.begin(); running != running_.end();) {
    if ((*running)->over()) {
      over.push_back(std::move(*running));
      running = running_.erase(running);
    } else {
      ++running;
    }
  }
}

void Server::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& running : running_) {
    running->cancel();
  }
}

}  // namespace agentbox::mcp
