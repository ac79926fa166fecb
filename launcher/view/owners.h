// Who a file belongs to, in the words of the box's user namespace.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <vector>

namespace agentbox::view {

// The box of an ordinary user has that one user and group (user_namespaces(7)), and the kernel lets
// nobody there change a file whose owner or group has no number in it. So that files of the user's
// other groups can be worked with, such a group is shown as the user's own; and a file of somebody
// else's that the user may use through such a group is shown as the user's, with the group's
// rights. The real rights still decide: the supervisor works as the user. Immutable, thread-safe.
class Owners {
 public:
  Owners();

  void translate(struct stat& stat) const;

 private:
  bool all_;  // root's box has every number
  uid_t user_;
  gid_t group_;
  std::vector<gid_t> groups_;
};

}  // namespace agentbox::view
