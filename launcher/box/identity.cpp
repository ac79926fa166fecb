// User and group ids, and the host's name: user_namespaces(7), uts_namespaces(7).
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/unique_fd.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

// Writes one of our own files below the outer /proc, which the supervisor has verified.
int write_own(const char* name, const char* text) {
  open_how how = {};
  how.flags = O_WRONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  base::UniqueFd file(static_cast<int>(::syscall(SYS_openat2, kProc, name, &how, sizeof how)));
  if (!file) {
    return errno;
  }
  return ::write(file.get(), text, std::strlen(text)) < 0 ? errno : 0;
}

}  // namespace

int map_identity(Context& context, const Step&) {
  if (context.identity_by_supervisor) {
    char done = 0;
    const ssize_t size = ::recv(kControl, &done, sizeof done, 0);
    return size == 1 ? 0 : (size < 0 ? errno : EPIPE);
  }
  // Files below /proc/self belong to root while a process is not dumpable.
  if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0) {
    return errno;
  }
  char users[40], groups[40];
  std::snprintf(users, sizeof users, "%u %u 1\n", context.user, context.user);
  std::snprintf(groups, sizeof groups, "%u %u 1\n", context.group, context.group);
  int error = write_own("self/setgroups", "deny");
  if (error == 0) {
    error = write_own("self/uid_map", users);
  }
  if (error == 0) {
    error = write_own("self/gid_map", groups);
  }
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
    return errno;
  }
  return error;
}

int set_host_name(Context&, const Step& step) {
  return ::sethostname(step.source.data(), step.source.size()) < 0 ? errno : 0;
}

int open_namespace(Context& context, const Step& step) {
  const int space = ::openat(kProc, step.source.c_str(), O_RDONLY | O_CLOEXEC);
  if (space < 0) {
    return errno;
  }
  context.handles[context.handle_count++] = space;
  return 0;
}

}  // namespace agentbox::box
