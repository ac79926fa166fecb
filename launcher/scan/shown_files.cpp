#include "launcher/scan/shown_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "policy/file_rules.h"

namespace agentbox::scan {

namespace {

using policy::FileAction;

// Whether it is where git keeps its objects: compressed, and for who reads git's history.
bool is_object_store(const survey::Entry& entry) {
  return entry.name == "objects" &&
         ::faccessat(entry.directory, "HEAD", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::faccessat(entry.directory, "refs", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

bool ShownFiles::visit(const survey::Entry& entry) {
  if (entry.type == DT_DIR) {
    return !hides(entry.decision.action) && selection_.reaches(entry.path) &&
           !is_object_store(entry);
  }
  // A file of which a box sees no value needs no look; the first walk judged those that depend.
  const FileAction action = entry.decision.action;
  if (entry.type == DT_REG && selection_.holds(entry.path) && action != FileAction::kHide &&
      action != FileAction::kRedact &&
      !(depends_on_contents(action) && hidden_.find(entry.path) != nullptr)) {
    visit_file(entry);
  }
  return false;
}

void ShownFiles::visit_file(const survey::Entry& entry) {
  const policy::ContentDecision decision = rules_.judge(entry.path);
  struct stat status = {};
  const base::UniqueFd fd = open_regular(entry, status);
  if (!fd) {
    if (const int error = errno; error != 0) {
      const std::lock_guard lock(mutex_);
      unreadable_.push_back({std::string(entry.path), error});
    }
    return;
  }
  if (add_link(entry, status)) {
    return;
  }
  if (decision.detect == policy::Detect::kOff) {
    const std::lock_guard lock(mutex_);
    ++left_out_;
    return;
  }
  search(entry, fd.get(), decision);
}

// As launcher/view: a file with several names, one of which is hidden, is hidden under each.
bool ShownFiles::add_link(const survey::Entry& entry, const struct stat& status) {
  const std::string* const other = status.st_nlink > 1 ? hidden_.find_inode(status) : nullptr;
  if (other == nullptr) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  links_.push_back({.path = std::string(entry.path),
                    .why = Hidden::Why::kHardLink,
                    .rule = {},
                    .link_of = *other,
                    .holds_secret = status.st_size > 0});
  return true;
}

std::unique_ptr<Searcher> ShownFiles::take_searcher() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Searcher> searcher = std::move(idle_.back());
      idle_.pop_back();
      return searcher;
    }
  }
  return std::make_unique<Searcher>(policy::Detector::shipped(), known_);
}

void ShownFiles::search(const survey::Entry& entry, int fd,
                        const policy::ContentDecision& decision) {
  std::unique_ptr<Searcher> searcher = take_searcher();
  std::vector<Spot> spots;
  const Searched searched = searcher->search(fd, entry.path, Report::kMostFindings, spots);
  ++progress_.files;
  progress_.bytes += searched.bytes;
  progress_.findings += spots.size();
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(searcher));
  unlisted_ += searched.more;
  for (const Spot& spot : spots) {
    Finding finding = {.path = std::string(entry.path),
                       .line = spot.line,
                       .column = spot.column,
                       .end_line = spot.end_line,
                       .end_column = spot.end_column,
                       .kind = kKnownValue,
                       .title = "Value of a hidden file",
                       .action = decision.detect,
                       .rule = Rule::of(decision.detect_rule),
                       .copy_of = {}};
    if (spot.kind != nullptr) {
      finding.kind = spot.kind->id;
      finding.title = spot.kind->title;
    }
    if (spot.source) {
      finding.copy_of = hidden_.source(*spot.source);
    }
    findings_.push_back(std::move(finding));
  }
  if (searched.error != 0) {
    unreadable_.push_back({std::string(entry.path), searched.error});
  }
}

}  // namespace agentbox::scan
