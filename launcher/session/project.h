// Which directory a session is about, and which policy document speaks for it.
#pragma once

#include <string>

namespace agentbox::session {

struct Project {
  std::string root;               // absolute, no symbolic link in it
  std::string working_directory;  // the same, at or below root
  std::string policy_file;        // empty: the project has none
};

// The nearest directory upwards that holds a policy, else a repository, else where the user stands.
// The search ends below the home directory, and a policy that somebody else (not the user, not root)
// owns is an Error: a world-writable parent must not decide. The home directory itself, or one above
// it, is refused as a project: everything the user has would be in the box. So is one that holds
// agentbox's own configuration or state, or lies in it.
Project find_project(const std::string& working_directory, const std::string& home);

// The working directory as the kernel knows it. Throws Error when it was removed.
std::string current_directory();

}  // namespace agentbox::session
