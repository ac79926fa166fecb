// Bounded descriptors, and an end that never hangs.
#include <dirent.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) {
    ++count;
  }
  ::closedir(directory);
  return count;
}

TEST(Limits, DescriptorsOfAHugeTree) {
  TemporaryDirectory tree("/dev/shm");  // making so many files takes long on a disk
  Options options;
  options.real = tree.path();
  MountedView view(std::move(options));
  // 100,000 files, all known to the box's kernel at once.
  ASSERT_EQ(view.run("python3 -c \"import os\nfor i in range(200):\n os.mkdir(f'd{i}')\n"
                     " for j in range(500): os.close(os.open(f'd{i}/{j}', os.O_CREAT, 0o444))\"")
                .status,
            0);
  std::atomic<bool> done = false;
  std::atomic<int> most = 0;
  std::thread watch([&] {
    while (!done) {
      most = std::max(most.load(), open_descriptors());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(view.run("find . -type f -size 0 | wc -l; ls -lR | wc -l >/dev/null;"
                     "grep -rl x . | wc -l")
                .output,
            "100000\n0\n");
  EXPECT_EQ(view.run("rm -rf d*; ls | wc -l").output, "0\n");
  done = true;
  watch.join();
  EXPECT_LE(most, 1024);
  EXPECT_GT(most, 0);
}

TEST(Limits, ManyRemovedFilesHeldOpen) {
  Options options;
  options.descriptors = 90;
  MountedView view(std::move(options));
  // Up to a third of the limit is kept; beyond it such a file is lost, the service is not.
  const Result result = view.run(
      "python3 -c \"import os\nfds=[]\nfor i in range(200):\n"
      " fd=os.open(f'f{i}', os.O_CREAT|os.O_RDWR); os.write(fd, b'x'); os.unlink(f'f{i}')\n"
      " fds.append(fd)\ngood=0\nfor fd in fds:\n"
      " try: good += os.pread(fd, 1, 0) == b'x'\n except OSError: pass\nprint(good >= 30)\"");
  EXPECT_EQ(result.output, "True\n");
  EXPECT_LE(open_descriptors(), 90 + 40);
  EXPECT_EQ(view.run("echo ok > f; cat f").output, "ok\n");
}

TEST(Limits, ServiceEndsWhileTheBoxIsAlive) {
  const int before = open_descriptors();
  {
    MountedView view;
    ASSERT_EQ(view.run("echo x > f").status, 0);
    view.stop_serving();
    EXPECT_NE(view.run("cat f").status, 0);  // nothing is served, nothing hangs
  }
  { MountedView idle; }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Limits, BoxEndsWhileServed) {
  for (int i = 0; i < 20; ++i) {
    MountedView view;
    view.outside("touch a b c");
    std::thread box([&] {
      try {
        view.run("while :; do ls -l; cat a; echo x > b; done");
      } catch (const std::exception&) {
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + i));
    view.kill_box();
    box.join();
  }
}

TEST(Limits, StartsWithoutAWalk) {
  TemporaryDirectory tree;
  ASSERT_EQ(run_outside(tree.path(),
                        "for i in $(seq 50); do mkdir d$i; (cd d$i; touch $(seq 200));"
                        " done")
                .status,
            0);
  Options options;
  options.real = tree.path();
  MountedView view(std::move(options));
  // Nothing of the tree was looked at before the box asked for it.
  EXPECT_EQ(run_outside(tree.path(), "find . -newera . | wc -l").status, 0);
  EXPECT_EQ(view.run("ls | wc -l").output, "50\n");
}

}  // namespace
}  // namespace agentbox::view
