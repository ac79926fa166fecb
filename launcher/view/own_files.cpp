#include "launcher/view/own_files.h"

#include <iterator>

namespace agentbox::view {
namespace {

// Some 50 MiB. What is beyond is judged by its contents, like a file of the user's.
constexpr std::size_t kMostFiles = 400'000;

}  // namespace

OwnFiles::State OwnFiles::state_of(const Inode& inode) {
  return {inode.born, nanoseconds(inode.stat.st_mtim), nanoseconds(inode.stat.st_ctim),
          inode.stat.st_size};
}

void OwnFiles::made(const Inode& inode) {
  if (!inode.regular() || inode.stat.st_size != 0) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (states_.size() < kMostFiles || states_.contains(inode.identity)) {
    states_[inode.identity] = state_of(inode);
    any_ = true;
  }
}

bool OwnFiles::own(const Inode& inode) const {
  if (!any_) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(inode.identity);
  return found != states_.end() && found->second == state_of(inode);
}

void OwnFiles::changed(const Inode& before, const Inode& after, off_t size) {
  if (!any_) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(before.identity);
  if (found == states_.end()) {
    return;
  }
  if (found->second == state_of(before) && before.identity == after.identity &&
      after.stat.st_size == size) {
    found->second = state_of(after);
  } else {
    states_.erase(found);
  }
}

void OwnFiles::removed(const Identity& identity) {
  if (any_) {
    const std::lock_guard lock(mutex_);
    states_.erase(identity);
  }
}

std::unique_lock<std::mutex> OwnFiles::changing(const Identity& identity) {
  return std::unique_lock(changing_[IdentityHash()(identity) % std::size(changing_)]);
}

}  // namespace agentbox::view
