// What takes rights away: limits, capabilities, no_new_privs, seccomp.
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "launcher/box/filter.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

int install(const FilterProgram& program) {
  sock_fprog filter = {program.length, const_cast<sock_filter*>(program.instructions)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? errno : 0;
}

}  // namespace

int limit_resource(Context&, const Step& step) {
  const auto resource = static_cast<__rlimit_resource>(step.index);
  rlimit limit = {};
  if (::getrlimit(resource, &limit) < 0) {
    return errno;
  }
  // A limit that the caller already has stays: a box cannot raise it.
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, step.number);
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(resource, &limit) < 0 ? errno : 0;
}

int close_descriptors(Context&, const Step&) {
  ::close(kProc);
  return ::close_range(kFirstFree, ~0U, 0) < 0 ? errno : 0;
}

int drop_bounding_set(Context&, const Step&) {
  // All that the header names and then as many as the kernel knows.
  for (cap_value_t capability = 0;; ++capability) {
    if (cap_drop_bound(capability) < 0) {
      if (errno == EINVAL && capability > CAP_LAST_CAP) {
        break;
      }
      return errno;
    }
  }
  // Not cap_reset_ambient(3), which takes a failing prctl(2) for a kernel without ambient sets.
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? errno : 0;
}

int lock_secure_bits(Context&, const Step&) {
  // User 0 is no one special in the box, now and after any execve(2).
  constexpr unsigned kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                             SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                             SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  return cap_set_secbits(kBits) < 0 ? errno : 0;
}

int drop_capabilities(Context& context, const Step&) {
  return cap_set_proc(context.no_capabilities) < 0 ? errno : 0;
}

int forbid_new_privileges(Context&, const Step&) {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
}

int install_filter(Context& context, const Step&) {
  const int error = install(argument_filter(context.user_namespaces));
  return error != 0 ? error : install(syscall_filter(context.user_namespaces));
}

int refuse_set_id_modes() { return install(set_id_filter()); }

int tie_to_supervisor(Context&, const Step&) {
  // Again, because a change of credentials clears it (prctl(2)).
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
    return errno;
  }
  // A supervisor that died before that sent no signal; but its end of the socket is closed.
  pollfd control = {kControl, 0, 0};
  if (::poll(&control, 1, 0) < 0) {
    return errno;
  }
  return (control.revents & (POLLHUP | POLLERR)) != 0 ? EPIPE : 0;
}

}  // namespace agentbox::box
