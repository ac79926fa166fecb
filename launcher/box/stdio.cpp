// The command's standard streams: a PTY of the box's own devpts (pty(7)), or three pipes.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"
#include "launcher/box/control.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

using base::UniqueFd;

// Puts `fd` on a fixed number, which a descriptor of /dev/null has held until now.
int place(int fd, int number) { return ::dup3(fd, number, O_CLOEXEC) < 0 ? errno : 0; }

int open_pipe(Context& context, int number, bool box_reads) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) {
    return errno;
  }
  UniqueFd inner(ends[box_reads ? 0 : 1]);
  context.handles[context.handle_count++] = ends[box_reads ? 1 : 0];
  return place(inner.get(), number);
}

}  // namespace

int create_terminals(Context& context, const Step&) {
  UniqueFd file_system(::fsopen("devpts", FSOPEN_CLOEXEC));
  if (!file_system) {
    return errno;
  }
  if (::fsconfig(file_system.get(), FSCONFIG_SET_STRING, "source", "devpts", 0) < 0 ||
      ::fsconfig(file_system.get(), FSCONFIG_SET_STRING, "ptmxmode", "0666", 0) < 0 ||
      ::fsconfig(file_system.get(), FSCONFIG_SET_STRING, "mode", "0600", 0) < 0 ||
      ::fsconfig(file_system.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    return errno;
  }
  context.terminals =
      ::fsmount(file_system.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  return context.terminals < 0 ? errno : 0;
}

int open_terminal(Context& context, const Step&) {
  UniqueFd master(::openat(context.terminals, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) {
    return errno;
  }
  const int unlocked = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) < 0) {
    return errno;
  }
  UniqueFd peer(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!peer) {
    return errno;
  }
  for (int number : {kInput, kOutput, kError}) {
    const int error = place(peer.get(), number);
    if (error != 0) {
      return error;
    }
  }
  context.handles[context.handle_count++] = master.release();
  return 0;
}

int open_pipes(Context& context, const Step&) {
  int error = open_pipe(context, kInput, true);
  if (error == 0) {
    error = open_pipe(context, kOutput, false);
  }
  if (error == 0) {
    error = open_pipe(context, kError, false);
  }
  return error;
}

int hand_out(Context& context, const Step&) {
  Report report;
  report.kind = Report::Kind::kHandles;
  const int error = send_handles(kControl, report, context.handles.data(), context.handle_count);
  // A view's device that stayed open here would keep the view alive without its server.
  for (std::size_t i = 0; i < context.handle_count; ++i) {
    ::close(context.handles[i]);
  }
  return error;
}

int attach_terminals(Context& context, const Step& step) {
  return ::move_mount(context.terminals, "", context.root, step.target.c_str(),
                      MOVE_MOUNT_F_EMPTY_PATH) < 0
             ? errno
             : 0;
}

int take_terminal(Context& context, const Step&) {
  // The first process leads the session, so that the command's process group has a parent in it
  // that is in another group: only then does the terminal stop it on Ctrl-Z (setpgid(2), orphans).
  if (::setsid() < 0) {
    return errno;
  }
  return context.terminal && ::ioctl(kInput, TIOCSCTTY, 0) < 0 ? errno : 0;
}

}  // namespace agentbox::box
