// Tells the box's kernel what it has to forget, from a thread that answers no request: the kernel
// may make it wait for the answer to one (fuse_lowlevel_notify_inval_entry, libfuse's header).
#pragma once

#include <fuse_lowlevel.h>

#include <thread>

#include "base/unique_fd.h"
#include "launcher/view/file_server.h"

namespace agentbox::view {

struct EndSession {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using Session = std::unique_ptr<fuse_session, EndSession>;

class Notifier {
 public:
  // Keeps references; `session` must hold a session when start() is called.
  Notifier(FileServer& files, const Session& session) : files_(files), session_(session) {}
  ~Notifier() { stop(); }
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Starts the thread. Throws std::system_error.
  void start();
  // Ends and joins it. Requests must still be answered meanwhile, or the connection be gone.
  void stop();

 private:
  void run();
  void tell(const Stale& stale);
  void tell_everything();
  void tell_contents();

  FileServer& files_;
  const Session& session_;
  base::UniqueFd stop_;
  std::thread thread_;
};

}  // namespace agentbox::view
