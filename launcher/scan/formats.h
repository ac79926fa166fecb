// A report as people and as programs read it. Pure. What files are called is escaped for each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "launcher/scan/report.h"

namespace agentbox::scan {

struct TextOptions {
  bool coloured = false;
  std::size_t most = 40;  // lines of one list; the rest is counted
};

std::string to_text(const Report& report, const TextOptions& options);

// docs/scan.schema.json describes it. A path that is not UTF-8 is escaped, and exact in "path_hex".
std::string to_json(const Report& report);

// SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0): the kind is the ruleId, URIs are relative
// to %SRCROOT%, what could not be read is a notification of the invocation.
std::string to_sarif(const Report& report, std::string_view version);

}  // namespace agentbox::scan
