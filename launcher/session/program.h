// Finds the command outside the box, as a shell would, and knows where the box will see it.
#pragma once

#include <functional>
#include <string>

namespace agentbox::session {

// Whether the box shows this absolute path (a file or directory).
using Visible = std::function<bool(const std::string& path)>;

// The absolute path to execute: `name` itself (relative to `working_directory`) if it has a slash,
// else the first executable file of that name in `search_path` that the box shows, as PATH in the box
// would find it. Throws Error: kNotFound, kCannotRun
// (found but not executable), or kNotFound with the fix if the box does not show it.
std::string find_program(const std::string& name, const std::string& search_path,
                         const std::string& working_directory, const Visible& visible);

// The entries of PATH that are absolute and visible in the box, in order, once each.
std::string visible_path(const std::string& search_path, const Visible& visible);

}  // namespace agentbox::session
