#include "launcher/scan/shown_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "policy/file_rules.h"

namespace agentbox::scan {

bool ShownFiles::visit(const survey::Entry& entry) {
  if (entry.type == DT_DIR) {
    return !hides(entry.decision.action) && selection_.reaches(entry.path);
  }
  if (entry.type == DT_REG && selection_.holds(entry.path) && !hides(entry.decision.action) &&
      entry.decision.action != policy::FileAction::kRedact && hidden_.find(entry.path) == nullptr) {
    is_link(entry);
  }
  return false;
}

// As launcher/view: a file with several names, one of which is hidden, is hidden under each.
bool ShownFiles::is_link(const survey::Entry& entry) {
  struct stat status = {};
  if (!hidden_.has_inodes() ||
      ::fstatat(entry.directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      status.st_nlink < 2) {
    return false;
  }
  const std::string* const other = hidden_.find_inode(status);
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

}  // namespace agentbox::scan
