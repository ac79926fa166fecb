// The home directory as a box sees it: what the profile lists, and a private scratch for the rest.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/session/identity.h"
#include "launcher/session/project.h"
#include "launcher/view/view.h"
#include "policy/policy.h"

namespace agentbox::session {

// The scratch home of this project, kept between sessions below the state directory; made if
// missing. Throws base::Error.
base::UniqueFd open_scratch(const Project& project);

// A project below the home directory is mounted on a directory of the scratch home: makes it there.
void prepare_mount_point(int scratch, const std::string& relative);

// The cleaned git configuration (~/.gitconfig, else $XDG_CONFIG_HOME/git/config) as an entry of the
// home view; none if the user has neither.
std::vector<view::Synthetic> synthetic_gitconfig(const Identity& identity);

// Refuses a policy whose `home` lists what agentbox itself keeps there: its state (consent, the log,
// the local store and its key) at all, its configuration for writing; or that
// keeps it where every box can read it. Throws Error (kDenied).
void check_home(const policy::Policy& policy, const Identity& identity);

// Well-known credential files of the home directory that exist: a hard link to one of them in the
// project is hidden too. Absolute paths.
std::vector<std::string> credential_files(const Identity& identity);

}  // namespace agentbox::session
