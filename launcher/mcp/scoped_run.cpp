#include "launcher/mcp/scoped_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/error.h"
#include "launcher/broker/child.h"

namespace agentbox::mcp {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProgressInterval{200};
constexpr std::size_t kMostProgress = 1024;  // bytes, of the newest output
// What a command leaves running may hold its output open.
constexpr std::chrono::seconds kDrain{2};

struct Pipe {
  base::UniqueFd read, write;
  Pipe() {
    int fds[2];
    base::check(::pipe2(fds, O_CLOEXEC), "pipe2");
    read = base::UniqueFd(fds[0]);
    write = base::UniqueFd(fds[1]);
  }
};

struct Collected {
  base::UniqueFd source;
  std::string text;
  bool cut = false;

  // Takes what is there; the part that was taken.
  std::string take() {
    std::array<char, 16384> buffer;
    const ssize_t n = ::read(source.get(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      return {};
    }
    if (n <= 0) {
      source = base::UniqueFd();
      return {};
    }
    const std::string part(buffer.data(), static_cast<std::size_t>(n));
    const std::size_t room = kMostOutput - text.size();
    text += part.substr(0, room);
    cut = cut || part.size() > room;
    return part;
  }
};

class Run {
 public:
  Run(const std::string& socket_path, const broker::SpawnRequest& request, Call& call)
      : call_(call) {
    Pipe input, output, error;
    output_.source = std::move(output.read);
    error_.source = std::move(error.read);
    child_.emplace(socket_path, request,
                   std::array<int, 3>{input.read.get(), output.write.get(), error.write.get()});
  }

  ToolResult finish() {
    while (!status_ || output_.source || error_.source) {
      if (!step()) {
        return {};  // cancelled: nobody hears the result
      }
      if (ended_ && Clock::now() > *ended_ + kDrain) {
        break;
      }
    }
    const int status = WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
    ToolResult result;
    result.structured = {{"exit_status", status},
                         {"stdout", output_.text},
                         {"stderr", error_.text},
                         {"cut", output_.cut || error_.cut},
                         {"receipt", receipt_}};
    return result;
  }

 private:
  // Waits for something and takes it. False: the call was cancelled.
  bool step() {
    std::array<pollfd, 4> ready = {pollfd{status_ ? -1 : child_->descriptor(), POLLIN, 0},
                                   pollfd{started_ ? output_.source.get() : -1, POLLIN, 0},
                                   pollfd{started_ ? error_.source.get() : -1, POLLIN, 0},
                                   pollfd{call_.cancelled(), POLLIN, 0}};
    const int time = ended_ ? 100 : unsaid_.empty() ? -1 : 200;  // milliseconds
    if (::poll(ready.data(), ready.size(), time) < 0 && errno != EINTR) {
      base::check(-1, "poll");
    }
    if (ready[3].revents != 0) {
      return false;
    }
    if (ready[1].revents != 0) {
      unsaid_ += output_.take();
    }
    if (ready[2].revents != 0) {
      unsaid_ += error_.take();
    }
    say();
    if (ready[0].revents != 0) {
      take_events();
    }
    return true;
  }

  void take_events() {
    while (const auto event = child_->next()) {
      switch (event->kind) {
        case broker::Child::Event::Kind::kWaiting:
          call_.progress("waiting for approval: " + event->message);
          break;
        case broker::Child::Event::Kind::kStarted:
          receipt_ = event->receipt;
          started_ = true;
          call_.progress("started");
          break;
        case broker::Child::Event::Kind::kEnded:
          status_ = event->status;
          ended_ = Clock::now();
          return;
      }
    }
  }

  void say() {
    if (unsaid_.empty() || Clock::now() < said_ + kProgressInterval) {
      return;
    }
    call_.progress(unsaid_.size() > kMostProgress ? unsaid_.substr(unsaid_.size() - kMostProgress)
                                                  : unsaid_);
    unsaid_.clear();
    said_ = Clock::now();
  }

  Call& call_;
  Collected output_, error_;
  std::optional<broker::Child> child_;
  bool started_ = false;  // told before the command's first byte, which may be here earlier
  std::optional<int> status_;
  std::optional<Clock::time_point> ended_;
  Json receipt_ = Json::object();
  std::string unsaid_;
  Clock::time_point said_{};
};

}  // namespace

ToolResult run_scoped(const std::string& socket_path, const broker::SpawnRequest& request,
                      Call& call) {
  return Run(socket_path, request, call).finish();
}

}  // namespace agentbox::mcp
