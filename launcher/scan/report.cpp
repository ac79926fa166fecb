#include "launcher/scan/report.h"

namespace agentbox::scan {

int status_of(const Report& report) {
  const bool found = !report.findings.empty() || !report.in_git.empty();
  const bool incomplete = !report.unreadable.empty() || !report.git_failures.empty();
  return (found ? kFound : 0) | (incomplete ? kIncomplete : 0);
}

}  // namespace agentbox::scan
