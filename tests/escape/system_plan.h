// A plan that shows the machine's programs and nothing else, for tests that need a plain box.
#pragma once

#include <string>

#include "launcher/box/box.h"

namespace agentbox::escape {

// /usr, the merged-usr links and a few files of /etc, read-only; `program_directory` (which holds
// the probe) is shown read-only at /probe. The working directory is /tmp.
box::Plan system_plan(const std::string& program_directory);

}  // namespace agentbox::escape
