#include "launcher/view/held_files.h"

#include <fcntl.h>

namespace agentbox::view {

void HeldFiles::hold(std::uint64_t node, base::UniqueFd fd) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_node_.find(node); found != by_node_.end()) {
    files_.erase(found->second);
    by_node_.erase(found);
  }
  files_.push_front({node, std::move(fd)});
  by_node_[node] = files_.begin();
  if (files_.size() > most_) {
    by_node_.erase(files_.back().node);
    files_.pop_back();
  }
}

base::UniqueFd HeldFiles::get(std::uint64_t node) {
  const std::lock_guard lock(mutex_);
  const auto found = by_node_.find(node);
  return base::UniqueFd(
      found == by_node_.end() ? -1 : ::fcntl(found->second->fd.get(), F_DUPFD_CLOEXEC, 0));
}

void HeldFiles::drop(std::uint64_t node) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_node_.find(node); found != by_node_.end()) {
    files_.erase(found->second);
    by_node_.erase(found);
  }
}

}  // namespace agentbox::view
