#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace agentbox::base {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/agentbox-file-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    fd_ = open_at(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  UniqueFd fd_;
};

TEST_F(FileTest, ReplaceLeavesTheNewBytesAndNothingElse) {
  replace_file(fd_.get(), "state", "first", 0600);
  replace_file(fd_.get(), "state", "second", 0600);
  EXPECT_EQ(read_file(directory_ + "/state", 100), "second");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
  struct stat status = {};
  ASSERT_EQ(::stat((directory_ + "/state").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(FileTest, BeneathRefusesEveryWayOut) {
  ASSERT_EQ(::symlink("/etc", (directory_ + "/link").c_str()), 0);
  ASSERT_EQ(::mkdir((directory_ + "/inner").c_str(), 0700), 0);
  for (const char* path : {"../etc", "/etc/passwd", "link/passwd", "inner/../../etc"}) {
    EXPECT_THROW(open_beneath(fd_.get(), path, O_RDONLY), SystemError) << path;
    // The positive control: an ordinary openat(2) follows all but the one with the missing name.
  }
  EXPECT_TRUE(UniqueFd(::openat(fd_.get(), "link/passwd", O_RDONLY)));
  EXPECT_TRUE(open_beneath(fd_.get(), "inner", O_RDONLY));
}

TEST_F(FileTest, ReadRefusesWhatIsTooLarge) {
  replace_file(fd_.get(), "big", std::string(1000, 'x'), 0600);
  EXPECT_EQ(read_file(directory_ + "/big", 1000).size(), 1000u);
  EXPECT_THROW(read_file(directory_ + "/big", 999), Error);
}

TEST_F(FileTest, PrivateDirectoryIsMadeForTheOwnerAlone) {
  const UniqueFd made = open_private_directory(directory_ + "/a/b");
  struct stat status = {};
  ASSERT_EQ(::fstat(made.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0700u);
  ASSERT_EQ(::symlink("a", (directory_ + "/c").c_str()), 0);
  EXPECT_THROW(open_private_directory(directory_ + "/c"), SystemError);
}

TEST(SystemError, SaysOperationArgumentAndName) {
  try {
    read_file("/nonexistent/file", 1);
    FAIL() << "no error";
  } catch (const SystemError& error) {
    EXPECT_STREQ(error.what(), "cannot open /nonexistent/file: No such file or directory (ENOENT)");
    EXPECT_EQ(error.error(), ENOENT);
  }
}

}  // namespace
}  // namespace agentbox::base
