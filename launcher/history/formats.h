// A report as people and as programs read it. Pure. What files are called is escaped for each.
#pragma once

#include <string>

#include "launcher/history/scan.h"

namespace agentbox::history {

// `root`: the project's, which directories are told from.
std::string to_text(const Report& report, const std::string& root, bool coloured);

// One object; docs/history.md describes it. Bytes of a path that are not UTF-8 become U+FFFD.
std::string to_json(const Report& report);

}  // namespace agentbox::history
