#include "launcher/review/layer.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/error.h"
#include "launcher/review/apply.h"
#include "launcher/review/changes.h"
#include "policy/floor.h"

namespace agentbox::review {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class LayerTest : public testing::Test {
 protected:
  LayerTest() : rules_(policy::floor_policy()) {
    std::string name = fs::temp_directory_path() / "agentbox-review-XXXXXX";
    place_ = fs::canonical(::mkdtemp(name.data()));
    write(root() / "kept", "old\n");
    write(root() / "gone", "gone\n");
  }
  ~LayerTest() override {
    std::error_code error;
    fs::remove_all(place_, error);
  }

  fs::path root() const { return place_ / "project"; }
  std::string layers() const { return place_ / "layers"; }

  Layer create(const std::string& id) {
    Manifest manifest;
    manifest.id = id;
    manifest.project = root();
    manifest.command = "sh";
    manifest.parts = {{root(), ""}};
    Layer layer = Layer::create(layers(), std::move(manifest));
    layer.wait_for_clock();
    return layer;
  }

  std::vector<Change> changes(const Layer& layer) {
    return changes_of(layer, {.files = rules_, .worktrees = {}});
  }

  static std::optional<Change> at(const std::vector<Change>& changes, const std::string& path) {
    const auto found = std::find_if(changes.begin(), changes.end(),
                                    [&](const Change& one) { return one.path == path; });
    return found == changes.end() ? std::nullopt : std::optional(*found);
  }

  Applied apply_all(const Layer& layer, const std::vector<std::size_t>& forced = {}) {
    return apply(layer, changes(layer), forced, [](std::size_t, std::size_t) {});
  }

  fs::path place_;
  policy::FileRules rules_;
};

TEST_F(LayerTest, OneProcessAtATimeHasIt) {
  {
    const Layer layer = create("one");
    ASSERT_EQ(list(layers()).size(), 1U);
    EXPECT_TRUE(list(layers())[0].running);
    EXPECT_THROW(Layer::open(layers(), "one"), base::Error);
  }
  EXPECT_FALSE(list(layers())[0].running);
  Layer layer = Layer::open(layers(), "one");
  EXPECT_EQ(layer.manifest().project, root());
  EXPECT_EQ(layer.manifest().command, "sh");
  EXPECT_FALSE(layer.manifest().ended);
  layer.mark_ended();
  EXPECT_TRUE(list(layers())[0].manifest.ended);
  layer.remove();
  EXPECT_TRUE(list(layers()).empty());
}

TEST_F(LayerTest, AllAreListedAndOneWithoutAManifestHasItsName) {
  create("z");
  create("a");
  const std::vector<Listed> all = list(layers());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].manifest.id, "a");
  EXPECT_EQ(all[1].manifest.id, "z");
  fs::create_directory(layers() + "/killed");
  EXPECT_EQ(list(layers()).size(), 3U);
  EXPECT_EQ(Layer::open(layers(), "killed").manifest().id, "killed");
}

TEST_F(LayerTest, ChangesAreFoundAndApplied) {
  Layer layer = create("one");
  EXPECT_TRUE(changes(layer).empty());
  write(layer.upper(0) + "/kept", "new\n");
  write(layer.upper(0) + "/added", "added\n");
  const std::vector<Change> found = changes(layer);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(at(found, "kept")->letter(), 'M');
  EXPECT_EQ(at(found, "added")->letter(), 'A');
  EXPECT_EQ(read(root() / "kept"), "old\n");
  const Applied applied = apply_all(layer);
  EXPECT_EQ(applied.done, 2U);
  EXPECT_TRUE(applied.left.empty());
  EXPECT_EQ(read(root() / "kept"), "new\n");
  EXPECT_EQ(read(root() / "added"), "added\n");
  EXPECT_EQ(read(root() / "gone"), "gone\n");
  EXPECT_TRUE(changes(layer).empty());
}

TEST_F(LayerTest, WhatTheUserChangedIsAConflictAndIsKeptWhenForced) {
  Layer layer = create("one");
  write(layer.upper(0) + "/kept", "box\n");
  write(root() / "kept", "user\n");
  ASSERT_EQ(changes(layer).size(), 1U);
  EXPECT_EQ(changes(layer)[0].state, Change::State::kConflict);
  EXPECT_EQ(apply_all(layer).left.size(), 1U);
  EXPECT_EQ(read(root() / "kept"), "user\n");
  EXPECT_FALSE(has_backup(layer));
  EXPECT_EQ(apply_all(layer, {0}).done, 1U);
  EXPECT_EQ(read(root() / "kept"), "box\n");
  EXPECT_TRUE(has_backup(layer));
}

TEST_F(LayerTest, WhatIsChangedBetweenLookAndStepStays) {
  Layer layer = create("one");
  write(layer.upper(0) + "/kept", "box\n");
  const std::vector<Change> looked_at = changes(layer);
  ASSERT_EQ(looked_at[0].state, Change::State::kReady);
  write(root() / "kept", "user\n");
  const Applied applied = apply(layer, looked_at, {}, [](std::size_t, std::size_t) {});
  EXPECT_EQ(applied.done, 0U);
  EXPECT_EQ(applied.left.size(), 1U);
  EXPECT_EQ(read(root() / "kept"), "user\n");
}

TEST_F(LayerTest, WhatThePolicyForbidsIsNeverApplied) {
  Layer layer = create("one");
  for (const char* name : {".env", ".mcp.json", ".git/hooks/pre-commit"}) {
    write(layer.upper(0) + "/" + name, "x");
  }
  write(layer.upper(0) + "/program", "x");
  ASSERT_EQ(::chmod((layer.upper(0) + "/program").c_str(), 04755), 0);
  ASSERT_EQ(::mkfifo((layer.upper(0) + "/pipe").c_str(), 0600), 0);
  std::vector<std::size_t> all;
  const std::vector<Change> found = changes(layer);
  for (const char* name : {".env", ".mcp.json", ".git/hooks/pre-commit", "program", "pipe"}) {
    ASSERT_TRUE(at(found, name)) << name;
    EXPECT_EQ(at(found, name)->state, Change::State::kRefused) << name;
    EXPECT_FALSE(at(found, name)->reason.empty()) << name;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    all.push_back(i);
  }
  apply_all(layer, all);
  for (const char* name : {".env", ".mcp.json", ".git/hooks/pre-commit", "program", "pipe"}) {
    EXPECT_FALSE(fs::exists(root() / name)) << name;
  }
}

TEST_F(LayerTest, LinksAreNotFollowed) {
  write(place_ / "outside", "outside\n");
  Layer layer = create("one");
  fs::create_symlink(place_ / "outside", layer.upper(0) + "/kept");
  EXPECT_EQ(changes(layer)[0].letter(), 'T');
  apply_all(layer);
  EXPECT_TRUE(fs::is_symlink(root() / "kept"));
  EXPECT_EQ(read(place_ / "outside"), "outside\n");
}

TEST_F(LayerTest, WhatIsDroppedIsNotThereAnyMore) {
  Layer layer = create("one");
  write(layer.upper(0) + "/kept", "new\n");
  write(layer.upper(0) + "/added", "added\n");
  drop(layer, {*at(changes(layer), "added")});
  ASSERT_EQ(changes(layer).size(), 1U);
  EXPECT_EQ(changes(layer)[0].path, "kept");
  EXPECT_FALSE(fs::exists(root() / "added"));
}

}  // namespace
}  // namespace agentbox::review
