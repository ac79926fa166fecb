// Limits for a box as a whole, by cgroup v2 (Linux, Documentation/admin-guide/cgroup-v2.rst).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "launcher/box/box.h"

namespace agentbox::box {

// Owns one control group, empty at first, that is removed with it. Not thread-safe.
class Cgroup {
 public:
  // Makes a group that holds the box to limits.memory and limits.processes: beside this process's
  // own group, or below it after moving this process into a leaf there (a group with processes of
  // its own cannot limit its children). Nothing where neither limit is set, where no part of the
  // tree is delegated to this user, or where a controller that is needed is not. Never throws: the
  // caller falls back to rlimits.
  static std::optional<Cgroup> make(const Limits& limits);

  Cgroup(Cgroup&&) = default;
  Cgroup& operator=(Cgroup&&) = delete;
  ~Cgroup();

  // For CLONE_INTO_CGROUP (clone3(2)).
  int descriptor() const { return directory_.get(); }

 private:
  Cgroup(base::UniqueFd parent, std::string name, base::UniqueFd directory)
      : parent_(std::move(parent)), name_(std::move(name)), directory_(std::move(directory)) {}

  base::UniqueFd parent_;
  std::string name_;
  base::UniqueFd directory_;
};

// Where cgroup v2 is mounted, from the text of /proc/self/mountinfo (proc(5)); "" if nowhere. Pure.
std::string cgroup2_mount(std::string_view mountinfo);
// This process's group, from the text of /proc/self/cgroup ("0::/user.slice/…"); "" if v2 is not
// used. Pure.
std::string cgroup2_path(std::string_view text);

}  // namespace agentbox::box
