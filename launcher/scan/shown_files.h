// The second half of a scan: the files that a box sees.
#pragma once

#include <mutex>
#include <vector>

#include "launcher/scan/hidden_files.h"
#include "launcher/scan/report.h"
#include "launcher/scan/selection.h"
#include "launcher/survey/walk.h"

namespace agentbox::scan {

// Filled by a walk's threads, after that of HiddenFiles; read once it has ended.
class ShownFiles {
 public:
  // Both must outlive it.
  ShownFiles(const HiddenFiles& hidden, const Selection& selection)
      : hidden_(hidden), selection_(selection) {}

  // Whether to go into a directory. Thread-safe.
  bool visit(const survey::Entry& entry);

  // Other names of hidden files. In no order.
  std::vector<Hidden>& links() { return links_; }

 private:
  bool is_link(const survey::Entry& entry);

  const HiddenFiles& hidden_;
  const Selection& selection_;
  std::mutex mutex_;
  std::vector<Hidden> links_;
};

}  // namespace agentbox::scan
