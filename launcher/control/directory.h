// Where the sessions of one user have their control sockets: one file a session, "ID.sock".
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace agentbox::control {

// "run" in the state directory, which no box is shown (session::check_home).
std::string run_directory();

// Opens it, made if it is missing. Throws base::Error if it is not this user's own and closed to
// all others: who could write there could pass for a session.
base::UniqueFd open_run_directory(const std::string& path);

inline constexpr char kSocketSuffix[] = ".sock";

// The path under which a socket in that directory can be bound and connected: the real one may be
// longer than a socket's address holds (unix(7): 108 bytes).
std::string socket_path(int directory, const std::string& name);

}  // namespace agentbox::control
