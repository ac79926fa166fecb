#include "launcher/view/owners.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"

namespace agentbox::view {

Owners::Owners() : all_(::geteuid() == 0), user_(::geteuid()), group_(::getegid()) {
  groups_.resize(static_cast<std::size_t>(base::check(::getgroups(0, nullptr), "read", "groups")));
  const long count =
      base::check(::getgroups(static_cast<int>(groups_.size()), groups_.data()), "read", "groups");
  groups_.resize(static_cast<std::size_t>(count));
}

void Owners::translate(struct stat& stat) const {
  if (all_ || stat.st_gid == group_) {
    return;
  }
  const bool member = std::find(groups_.begin(), groups_.end(), stat.st_gid) != groups_.end();
  if (stat.st_uid != user_ && member) {
    stat.st_uid = user_;
    stat.st_mode = (stat.st_mode & ~static_cast<mode_t>(S_IRWXU)) | ((stat.st_mode & S_IRWXG) << 3);
  }
  stat.st_gid = group_;
}

}  // namespace agentbox::view
