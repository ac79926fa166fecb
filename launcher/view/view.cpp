#include "launcher/view/view.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/error.h"
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
  Server(base::UniqueFd device, Config config)
      : threads_wanted(std::max(config.threads, 1u)), files(std::move(config)) {
    stop.reset(static_cast<int>(
        base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create", "an event descriptor")));
    // Never blocks in read(2), where nothing could wake it.
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
    fd = device.release();  // the session's now
    const BlockedSignals blocked;
    try {
      for (unsigned i = 0; i < threads_wanted; ++i) {
        threads.emplace_back([this] { serve(); });
      }
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
    fuse_session_exit(session.get());
    ::eventfd_write(stop.get(), 1);
    for (std::thread& thread : threads) {
      thread.join();
    }
    threads.clear();
  }

  void serve() {
    base::UniqueFd events(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event device_event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {.fd = fd}};
    epoll_event stop_event = {.events = EPOLLIN, .data = {.fd = stop.get()}};
    // The box's umask has been applied by its kernel; ours must not be on top. Own thread, own
    // umask (CLONE_FS).
    if (!events || ::unshare(CLONE_FS) != 0 ||
        ::epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &device_event) != 0 ||
        ::epoll_ctl(events.get(), EPOLL_CTL_ADD, stop.get(), &stop_event) != 0) {
      fuse_session_exit(session.get());
      ::eventfd_write(stop.get(), 1);
      return;
    }
    ::umask(0);
    fuse_buf buffer = {};
    while (fuse_session_exited(session.get()) == 0) {
      const int length = fuse_session_receive_buf(session.get(), &buffer);
      if (length > 0) {
        fuse_session_process_buf(session.get(), &buffer);
      } else if (length == -EAGAIN) {
        epoll_event event;
        ::epoll_wait(events.get(), &event, 1, -1);
      } else if (length != -EINTR) {
        break;  // unmounted: the box is gone
      }
    }
    ::free(buffer.mem);
    ::eventfd_write(stop.get(), 1);  // stays readable: wakes the others too
  }

  const unsigned threads_wanted;
  FileServer files;
  base::UniqueFd stop;
  Session session;
  int fd = -1;
  std::vector<std::thread> threads;
  Notifier notifier{files, session};
};

View::View(base::UniqueFd device, Config config) {
  try {
    server_ = std::make_unique<Server>(std::move(device), std::move(config));
  } catch (const Failure& failure) {
    throw base::SystemError("serve", "the view's directory", failure.error);
  }
}

View::~View() = default;

void View::judge_again() { server_->files.stale().add_all_contents(); }

}  // namespace agentbox::view
