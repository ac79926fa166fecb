#include "launcher/view/view.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"
#include "launcher/view/crew.h"
#include "launcher/view/file_server.h"
#include "launcher/view/fuse_operations.h"
#include "launcher/view/notifier.h"

namespace agentbox::view {
namespace {

// Signals are for the thread that watches the box.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

// The terminal is the box's; what libfuse has to say (a request that was interrupted, the end of
// the connection) is not for the user.
void discard(fuse_log_level, const char*, va_list) {}

}  // namespace

struct View::Server {
  Server(base::UniqueFd device, Config config, unsigned threads) : files(std::move(config)) {
    base::check(::fcntl(device.get(), F_SETFL, O_RDWR | O_NONBLOCK), "set up", "/dev/fuse");
    base::check(::fcntl(device.get(), F_SETFD, FD_CLOEXEC), "set up", "/dev/fuse");
    fuse_set_log_func(discard);
    char name[] = "agentbox";
    char* arguments[] = {name, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, arguments);
    session.reset(fuse_session_new(&args, &fuse_operations(), sizeof(fuse_lowlevel_ops), &files));
    fuse_opt_free_args(&args);
    const std::string mount_point = "/dev/fd/" + std::to_string(device.get());
    if (!session || fuse_session_mount(session.get(), mount_point.c_str()) != 0) {
      throw base::Error(base::Status::kFailed, "cannot serve the view: libfuse refused /dev/fuse");
    }
    crew.emplace(session.get(), device.release());  // the session's now
    const BlockedSignals blocked;
    try {
      crew->start(threads);
      notifier.start();
    } catch (...) {
      end();
      throw;
    }
  }

  ~Server() { end(); }

  void end() {
    // While requests are still answered: it may wait for the kernel, and that for an answer.
    notifier.stop();
    if (crew) {
      crew->end();
    }
  }

  FileServer files;
  Session session;
  std::optional<Crew> crew;
  Notifier notifier{files, session};
};

View::View(base::UniqueFd device, Config config) {
  try {
    const unsigned threads = std::max(config.threads, 1u);
    server_ = std::make_unique<Server>(std::move(device), std::move(config), threads);
  } catch (const Failure& failure) {
    throw base::SystemError("serve", "the view's directory", failure.error);
  }
}

View::~View() = default;

void View::judge_again() { server_->files.stale().add_all_contents(); }

}  // namespace agentbox::view
