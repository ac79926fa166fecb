#include "launcher/session/filtered_objects.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace agentbox::session {
namespace {

namespace fs = std::filesystem;

const std::string kSecret = "ab" + std::string(38, '1');
const std::string kOther = "ab" + std::string(38, '2');
constexpr const char* kPack = ".git/objects/pack/pack-1234.pack";
constexpr const char* kIndex = ".git/objects/pack/pack-1234.idx";

// One entry, in the first version's form (gitformat-pack(5)).
std::string index_of(const std::string& hex) {
  const auto id = history::ObjectId::parse(hex).value();
  std::string bytes;
  for (unsigned first = 0; first < 256; ++first) {
    bytes += std::string(3, '\0') + (first < id.bytes()[0] ? '\0' : '\1');
  }
  bytes += std::string(4, '\0');
  return bytes.append(id.bytes().begin(), id.bytes().end());
}

class FilteredObjectsTest : public testing::Test {
 protected:
  FilteredObjectsTest() {
    std::string name = fs::temp_directory_path() / "agentbox-filtered-XXXXXX";
    root_ = ::mkdtemp(name.data());
    fs::create_directories(root_ + "/.git/objects/pack");
    objects_.add(".git/objects", root_ + "/.git/objects",
                 {history::ObjectId::parse(kSecret).value()});
  }
  ~FilteredObjectsTest() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::ofstream(root_ + "/" + path, std::ios::binary) << text;
  }
  void remove(const std::string& path) { fs::remove(root_ + "/" + path); }
  bool hides(const std::string& path) const { return objects_.hides(path); }

  std::string root_;
  FilteredObjects objects_;
};

TEST_F(FilteredObjectsTest, LooseObjectsGoByTheirIds) {
  EXPECT_TRUE(hides(".git/objects/ab/" + kSecret.substr(2)));
  EXPECT_FALSE(hides(".git/objects/ab/" + kOther.substr(2)));
  EXPECT_TRUE(hides(".git/objects/ab/tmp_obj_x1y2z3"));
  EXPECT_FALSE(hides(".git/objects/info/alternates"));
  EXPECT_FALSE(hides(".git/HEAD"));
  EXPECT_FALSE(hides("objects/ab/" + kSecret.substr(2)));
}

TEST_F(FilteredObjectsTest, PacksGoByTheirIndex) {
  write(kPack, "PACK");
  EXPECT_TRUE(hides(kPack));
  write(kIndex, index_of(kOther));
  for (const char* end : {"pack", "idx", "rev", "keep", "promisor"}) {
    EXPECT_FALSE(hides(std::string(".git/objects/pack/pack-1234.") + end)) << end;
  }
  remove(kIndex);
  write(kIndex, index_of(kSecret));
  for (const char* end : {"pack", "idx", "rev", "keep", "promisor"}) {
    EXPECT_TRUE(hides(std::string(".git/objects/pack/pack-1234.") + end)) << end;
  }
}

TEST_F(FilteredObjectsTest, UnfinishedPacksAreHidden) {
  EXPECT_TRUE(hides(".git/objects/pack/tmp_pack_x1y2z3"));
  EXPECT_TRUE(hides(".git/objects/pack/.tmp-77-pack-1234.pack"));
  EXPECT_TRUE(hides(".git/objects/pack/pack-1234"));
  EXPECT_TRUE(hides(".git/objects/pack/pack-12x4.pack"));
  EXPECT_FALSE(hides(".git/objects/pack/multi-pack-index"));
}

TEST_F(FilteredObjectsTest, APackStaysShownWhileItIsRemoved) {
  write(kPack, "PACK");
  write(kIndex, index_of(kOther));
  ASSERT_FALSE(hides(kPack));
  remove(kIndex);
  EXPECT_FALSE(hides(kPack));
  write(kPack, "PACK with other contents");
  EXPECT_TRUE(hides(kPack));
}

TEST_F(FilteredObjectsTest, AHiddenPackStaysHiddenWithoutItsIndex) {
  write(kPack, "PACK");
  write(kIndex, index_of(kSecret));
  ASSERT_TRUE(hides(kPack));
  remove(kIndex);
  EXPECT_TRUE(hides(kPack));
}

TEST_F(FilteredObjectsTest, AnIndexThatIsNoFileHides) {
  write(kPack, "PACK");
  fs::create_symlink("/dev/null", root_ + "/" + kIndex);
  EXPECT_TRUE(hides(kPack));
  remove(kIndex);
  fs::create_directory(root_ + "/" + kIndex);
  EXPECT_TRUE(hides(kPack));
}

TEST_F(FilteredObjectsTest, ItReachesBelowObjectsAndWhatIsAboveThem) {
  for (const char* path : {".git", ".git/objects", ".git/objects/pack"}) {
    EXPECT_TRUE(objects_.reaches_below(path)) << path;
  }
  for (const char* path : {"src", ".git/refs", ".github", ".git/objects2"}) {
    EXPECT_FALSE(objects_.reaches_below(path)) << path;
  }
}

}  // namespace
}  // namespace agentbox::session
