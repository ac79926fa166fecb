#include "launcher/box/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/file.h"

namespace agentbox::box {
namespace {

TEST(Cgroup, FindsTheMountOfVersion2) {
  EXPECT_EQ(cgroup2_mount("30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"),
            "/sys/fs/cgroup");
  EXPECT_EQ(cgroup2_mount("31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                          "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            "/sys/fs/cgroup/unified");
  // A part of the tree, as some containers show it, is not where this process's path starts.
  EXPECT_EQ(cgroup2_mount("30 25 0:26 /inner /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), "");
  EXPECT_EQ(cgroup2_mount("30 25 0:26 / /mnt rw - ext4 cgroup2 rw\n"), "");
  EXPECT_EQ(cgroup2_mount(""), "");
}

TEST(Cgroup, FindsThisProcessesGroup) {
  EXPECT_EQ(cgroup2_path("4:memory:/x\n0::/user.slice/run-1.scope\n"), "/user.slice/run-1.scope");
  EXPECT_EQ(cgroup2_path("4:memory:/x\n"), "");
}

TEST(Cgroup, IsNotMadeWithoutALimit) { EXPECT_FALSE(Cgroup::make({})); }

TEST(Cgroup, HoldsItsLimitsWhereTheTreeIsDelegated) {
  Limits limits;
  limits.memory = std::uint64_t{256} << 20;
  limits.processes = 77;
  const std::optional<Cgroup> group = Cgroup::make(limits);
  if (!group) {
    GTEST_SKIP() << "no cgroup v2 with memory and pids controllers is delegated to this user";
  }
  const auto value = [&](const char* name) {
    return base::read_all(base::open_at(group->descriptor(), name, O_RDONLY).get(), 100, name);
  };
  EXPECT_EQ(value("memory.max"), "268435456\n");
  EXPECT_EQ(value("pids.max"), "77\n");
}

}  // namespace
}  // namespace agentbox::box
