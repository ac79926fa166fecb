// Where the user's own files are (XDG Base Directory Specification 0.8).
#pragma once

#include <string>

namespace agentbox::base {

// The home directory: $HOME if it is absolute, else the password database. Throws Error.
std::string home_directory();

// "$XDG_CONFIG_HOME/agentbox", by default "~/.config/agentbox". Relative values are ignored.
std::string config_directory();

// "$XDG_STATE_HOME/agentbox", by default "~/.local/state/agentbox".
std::string state_directory();

}  // namespace agentbox::base
