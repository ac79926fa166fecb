// The part of a git configuration that only says who the user is and how git should look.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace agentbox::session {

// Keeps user.name, user.email, aliases that do not start with "!", and settings that run nothing and
// name no file; drops helpers, hooks, includes, filters, URLs' rewrites and everything unknown. The
// result is a valid git-config(1) file. Text that cannot be parsed gives "". Pure.
std::string clean_gitconfig(std::string_view text);

// Calls `visit` with section (without its subsection), name and value of each setting, names in
// lower case, up to the first error of syntax. Pure.
using VisitSetting =
    std::function<void(const std::string& section, const std::string& name, const std::string& value)>;
void each_setting(std::string_view text, const VisitSetting& visit);

}  // namespace agentbox::session
