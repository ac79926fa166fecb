// The second half of a scan: the files that a box sees, and the secrets in them.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "launcher/scan/contents.h"
#include "launcher/scan/hidden_files.h"
#include "launcher/scan/report.h"
#include "launcher/scan/scan.h"
#include "launcher/scan/selection.h"
#include "launcher/survey/walk.h"
#include "policy/content_rules.h"

namespace agentbox::scan {

// Filled by a walk's threads, after that of HiddenFiles; read once it has ended.
class ShownFiles {
 public:
  // All must outlive it.
  ShownFiles(const HiddenFiles& hidden, const Selection& selection,
             const policy::ContentRules& rules, Progress& progress)
      : hidden_(hidden),
        known_(hidden.values().snapshot()),
        selection_(selection),
        rules_(rules),
        progress_(progress) {}

  // Whether to go into a directory. Thread-safe. Throws base::Error.
  bool visit(const survey::Entry& entry);

  // Other names of hidden files. In no order, as the rest.
  std::vector<Hidden>& links() { return links_; }
  std::vector<Finding>& findings() { return findings_; }
  std::vector<Unreadable>& unreadable() { return unreadable_; }
  std::size_t left_out() const { return left_out_; }
  std::size_t unlisted() const { return unlisted_; }

 private:
  void visit_file(const survey::Entry& entry);
  bool add_link(const survey::Entry& entry, const struct stat& status);
  void search(const survey::Entry& entry, int fd, const policy::ContentDecision& decision);
  std::unique_ptr<Searcher> take_searcher();

  const HiddenFiles& hidden_;
  const std::shared_ptr<const values::ValueSet> known_;
  const Selection& selection_;
  const policy::ContentRules& rules_;
  Progress& progress_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Searcher>> idle_;
  std::vector<Hidden> links_;
  std::vector<Finding> findings_;
  std::vector<Unreadable> unreadable_;
  std::size_t left_out_ = 0;
  std::size_t unlisted_ = 0;
};

}  // namespace agentbox::scan
