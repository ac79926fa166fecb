#include "launcher/view/nodes.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace agentbox::view {
namespace {

Inode inode(std::uint64_t number, mode_t type = S_IFREG, std::int64_t born = 1) {
  Inode inode;
  inode.stat.st_mode = type | 0644;
  inode.identity = {1, number};
  inode.born = born;
  return inode;
}

class NodesTest : public testing::Test {
 protected:
  NodesTest() {
    nodes.set_root(inode(1, S_IFDIR));
    root = nodes.get(Nodes::kRoot);
  }
  std::string only_path(const NodePtr& node) {
    const Nodes::Ways ways = nodes.ways(node);
    return ways.paths.size() == 1 ? ways.paths[0].path : "?";
  }
  Config config;
  Judge judge{config};
  Nodes nodes{judge, 2, true};
  NodePtr root;
};

TEST_F(NodesTest, PathsFollowTheirDirectories) {
  const NodePtr a = nodes.enter(root, "a", inode(2, S_IFDIR));
  const NodePtr b = nodes.enter(a, "b", inode(3, S_IFDIR));
  const NodePtr f = nodes.enter(b, "f", inode(4));
  EXPECT_EQ(only_path(f), "a/b/f");
  nodes.renamed(a, root, "a", root, "z");
  EXPECT_EQ(only_path(f), "z/b/f");
  EXPECT_EQ(nodes.enter(root, "outside", inode(3, S_IFDIR)), b);  // moved outside
  EXPECT_EQ(only_path(f), "outside/f");
}

TEST_F(NodesTest, DirectoriesThatChangePlacesOutsideDoNotKeepEachOther) {
  NodePtr outer = nodes.enter(root, "outer", inode(2, S_IFDIR));
  NodePtr inner = nodes.enter(outer, "inner", inode(3, S_IFDIR));
  // Now it is inner/outer, and inner itself is not looked up again.
  EXPECT_EQ(nodes.enter(inner, "outer", inode(2, S_IFDIR)), outer);
  nodes.forget(outer->id, 2);
  nodes.forget(inner->id, 1);
  const std::weak_ptr<Node> left = outer;
  outer.reset();
  inner.reset();
  EXPECT_TRUE(left.expired());
}

TEST_F(NodesTest, OneFileWithTwoNamesIsOneNode) {
  const NodePtr f = nodes.enter(root, "f", inode(4));
  EXPECT_EQ(nodes.enter(root, "g", inode(4)), f);
  EXPECT_EQ(nodes.ways(f).paths.size(), 2u);
  EXPECT_EQ(nodes.path(*f), "g");
  nodes.removed(f, root, "g", {}, {});
  EXPECT_EQ(nodes.path(*f), "f");
}

TEST_F(NodesTest, ANumberUsedAgainIsAnotherNode) {
  const NodePtr f = nodes.enter(root, "f", inode(4));
  EXPECT_NE(nodes.enter(root, "f", inode(4, S_IFREG, 2)), f);
  EXPECT_NE(nodes.enter(root, "f", inode(4, S_IFDIR, 2)), f);
  Nodes untrusted(judge, 2, false);  // overlayfs: a copy-up changes the birth time
  untrusted.set_root(inode(1, S_IFDIR));
  const NodePtr top = untrusted.get(Nodes::kRoot);
  const NodePtr g = untrusted.enter(top, "g", inode(4));
  EXPECT_EQ(untrusted.enter(top, "g", inode(4, S_IFREG, 2)), g);
}

TEST_F(NodesTest, ForgottenAfterTheLastLookup) {
  const NodePtr f = nodes.enter(root, "f", inode(4));
  nodes.enter(root, "f", inode(4));
  EXPECT_FALSE(nodes.forget(f->id, 1));
  EXPECT_EQ(nodes.get(f->id), f);
  EXPECT_TRUE(nodes.forget(f->id, 1));
  EXPECT_THROW(nodes.get(f->id), Failure);
  EXPECT_FALSE(nodes.forget(f->id, 1));
  EXPECT_FALSE(nodes.forget(Nodes::kRoot, 99));
}

TEST_F(NodesTest, RemovedFilesAreKeptUpToTheBound) {
  const auto remove = [&](std::uint64_t number) {
    const NodePtr f = nodes.enter(root, "f", inode(number));
    nodes.removed(f, root, "f", {}, base::UniqueFd(::open("/", O_PATH | O_CLOEXEC)));
    return f;
  };
  const NodePtr first = remove(4);
  EXPECT_TRUE(nodes.ways(first).pin);
  EXPECT_TRUE(nodes.ways(first).paths.empty());
  EXPECT_TRUE(nodes.ways(remove(5)).pin);
  EXPECT_FALSE(nodes.ways(remove(6)).pin);
  nodes.forget(first->id, 1);
  EXPECT_TRUE(nodes.ways(remove(7)).pin);
}

TEST_F(NodesTest, ARingOfStaleNamesEnds) {
  const NodePtr a = nodes.enter(root, "a", inode(2, S_IFDIR));
  const NodePtr b = nodes.enter(a, "b", inode(3, S_IFDIR));
  nodes.enter(b, "a", inode(2, S_IFDIR));
  EXPECT_TRUE(nodes.ways(b).paths.empty());
  EXPECT_THROW(nodes.path(*b), Failure);
}

}  // namespace
}  // namespace agentbox::view
