// What the escape tests share: a directory of their own on the host, and how to read a result.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/escape/attempt.h"

namespace agentbox::escape {

class BoxEscape : public testing::Test {
 protected:
  // What a test mounts as root goes with the test, even with one that is killed.
  static void SetUpTestSuite() {
    if (::geteuid() == 0) {
      ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
      ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    }
  }

  BoxEscape() {
    char name[] = "/tmp/agentbox-escape-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~BoxEscape() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
  }

  std::string directory_;
};

inline bool ran(const Outcome& outcome) {
  return WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 0;
}

// Not what the kernel answers when the call reaches it: EFAULT, EBADF, EINVAL, ok.
inline bool refused(const std::string& result) {
  return result == "EPERM" || result == "ENOSYS" || result == "EACCES";
}

}  // namespace agentbox::escape
