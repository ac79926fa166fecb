#include "launcher/view/storage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "launcher/view/contents.h"
#include "launcher/view/held_files.h"

namespace agentbox::view {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory.reset(::open(path.c_str(), O_PATH | O_CLOEXEC));
  }
  void TearDown() override { std::filesystem::remove_all(path); }
  base::UniqueFd file(const std::string& bytes) {
    std::ofstream(path + "/file") << bytes;
    return base::UniqueFd(::open((path + "/file").c_str(), O_RDWR | O_CLOEXEC));
  }
  std::string path = std::filesystem::temp_directory_path().string() + "/view.XXXXXX";
  base::UniqueFd directory;
};

TEST(Paths, AreSplitAndJoined) {
  EXPECT_EQ(parent_of("a/b/c"), "a/b");
  EXPECT_EQ(parent_of("a"), "");
  EXPECT_EQ(name_of("a/b/c"), "c");
  EXPECT_EQ(name_of("a"), "a");
  EXPECT_EQ(join("", "a"), "a");
  EXPECT_EQ(join("a/b", "c"), "a/b/c");
}

TEST_F(Files, OpenBelowStaysBelowAndFollowsNoLink) {
  std::filesystem::create_directory(path + "/d");
  std::filesystem::create_symlink("/etc", path + "/out");
  std::filesystem::create_symlink("d", path + "/in");
  std::filesystem::create_symlink("/proc/self/fd", path + "/magic");
  EXPECT_TRUE(open_below(directory.get(), "", O_PATH));
  EXPECT_TRUE(open_below(directory.get(), "d", O_RDONLY));
  EXPECT_TRUE(open_below(directory.get(), "out", O_PATH));  // the link itself
  for (const char* refused : {"out/passwd", "in/.", "..", "d/../..", "/etc", "magic/0", "in"}) {
    EXPECT_FALSE(open_below(directory.get(), refused, O_RDONLY)) << refused;
  }
}

TEST_F(Files, OpeningAFifoDoesNotBlock) {
  ASSERT_EQ(::mkfifo((path + "/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(open_below(directory.get(), "fifo", O_RDONLY));
}

TEST_F(Files, CredentialsAreFoundAgainAfterAChange) {
  Contents contents;
  base::UniqueFd fd = file("save-exact=true\n");
  EXPECT_FALSE(contents.hides(Contents::Reason::kCredential, fd.get(), inode_of(fd.get())));
  EXPECT_EQ(contents.checked_bytes(Contents::Reason::kCredential, fd.get(), inode_of(fd.get())),
            "save-exact=true\n");
  fd = file("//registry.example/:_authToken=abcdef\n");
  EXPECT_TRUE(contents.hides(Contents::Reason::kCredential, fd.get(), inode_of(fd.get())));
  EXPECT_THROW(contents.checked_bytes(Contents::Reason::kCredential, fd.get(), inode_of(fd.get())),
               Failure);
  fd = file(std::string(70'000, '\n'));  // too long to be looked at whole
  EXPECT_TRUE(contents.hides(Contents::Reason::kCredential, fd.get(), inode_of(fd.get())));
}

TEST_F(Files, RedactionKeepsTheLengthAndHasALimit) {
  Contents contents;
  const std::string bytes = "password: hunter2\n";
  base::UniqueFd fd = file(bytes);
  const auto redacted = contents.redacted(fd.get(), inode_of(fd.get()));
  EXPECT_EQ(redacted->size(), bytes.size());
  EXPECT_EQ(redacted->find("hunter2"), std::string::npos);
  EXPECT_EQ(contents.redacted(fd.get(), inode_of(fd.get())), redacted);  // not read twice
  ASSERT_EQ(::ftruncate(fd.get(), (16 << 20) + 1), 0);
  EXPECT_THROW(contents.redacted(fd.get(), inode_of(fd.get())), Failure);
}

TEST(HeldFilesTest, TheOldestGoFirst) {
  HeldFiles held(2);
  for (std::uint64_t node = 1; node <= 3; ++node) {
    held.hold(node, base::UniqueFd(::open("/", O_PATH | O_CLOEXEC)));
  }
  EXPECT_FALSE(held.get(1));
  EXPECT_TRUE(held.get(2));
  EXPECT_TRUE(held.get(3));
  held.drop(2);
  held.drop(2);
  EXPECT_FALSE(held.get(2));
}

}  // namespace
}  // namespace agentbox::view
