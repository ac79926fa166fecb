#include "launcher/view/sealed_files.h"

#include <utility>

namespace agentbox::view {

bool SealedFiles::seal(const Inode& inode, const std::string& path) {
  const std::lock_guard lock(mutex_);
  any_ = true;
  const auto [known, fresh] = born_.try_emplace(inode.identity, inode.born);
  const bool other = std::exchange(known->second, inode.born) != inode.born;
  return (!path.empty() && paths_.insert(path).second) || fresh || other;
}

bool SealedFiles::sealed(const Inode& inode, const std::string& path) const {
  if (!any_ || !inode.regular()) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const auto found = born_.find(inode.identity);
  return (found != born_.end() && found->second == inode.born) || paths_.contains(path);
}

bool SealedFiles::sealed_path(const std::string& path) const {
  if (!any_) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  return paths_.contains(path);
}

void SealedFiles::renamed(const std::string& from, const std::string& to) {
  if (!any_) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const std::string below = from + "/";
  for (auto at = paths_.lower_bound(below); at != paths_.end() && at->starts_with(below);) {
    paths_.insert(to + at->substr(from.size()));
    at = paths_.erase(at);
  }
}

}  // namespace agentbox::view
