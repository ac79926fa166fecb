// Who the box's processes are: the user, under the same name and number.
#pragma once

#include <sys/types.h>

#include <string>

namespace agentbox::session {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name, group, home, shell;
};

// From the effective ids and the password database; a uid without an entry is called "user". HOME
// decides the home directory (base::home_directory), with symbolic links resolved. Throws Error if
// it does not exist.
Identity current_identity();

}  // namespace agentbox::session
