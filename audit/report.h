// The log as one self-contained HTML page.
#pragma once

#include <ostream>
#include <string>

#include "audit/reader.h"

namespace agentbox::audit {

// Verifies the log of the directory, then writes a page with the chain's state on top and, for each
// session that the filter lets through, the secrets released, the hosts reached and refused, and
// the files hidden. No scripts, nothing loaded. Throws base::Error.
void write_report(const std::string& directory, const Filter& filter, std::ostream& out);

}  // namespace agentbox::audit
