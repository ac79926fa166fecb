// The seccomp filters, compiled by libseccomp when agentbox is built (filter_generator.cpp).
#pragma once

#include <linux/filter.h>

namespace agentbox::box {

struct FilterProgram {
  const sock_filter* instructions;
  unsigned short length;
};

// Which system calls exist for the box: ENOSYS for what is not listed, EPERM for what is known to
// be a way out. Decided by number alone, so that the kernel's per-call cache answers for it.
FilterProgram syscall_filter(bool user_namespaces);

// Which arguments the listed calls may have (ioctl, clone, socket, …). The kernel runs both filters
// and the stricter answer wins (seccomp(2)).
FilterProgram argument_filter(bool user_namespaces);

// No set-user-id and set-group-id modes (EPERM), for a box whose files are the user's own and not a
// view's: outside it such a program has the user's rights, whoever runs it.
FilterProgram set_id_filter();

}  // namespace agentbox::box
