// The files that the box's kernel knows, by the number it calls them. A node holds no descriptor:
// it is a parent, a name and an identity, and is opened again when something is asked of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/view/inode.h"
#include "launcher/view/judge.h"

namespace agentbox::view {

struct Node;
using NodePtr = std::shared_ptr<Node>;

struct Node {
  enum class Kind { kReal, kSynthetic, kVirtual };

  // Constant after creation.
  std::uint64_t id = 0;
  Kind kind = Kind::kReal;
  mode_t type = 0;                       // S_IFMT bits
  const Synthetic* synthetic = nullptr;  // for kSynthetic

  // Guarded by Nodes.
  Identity identity;
  std::int64_t born = 0;
  struct Name {
    NodePtr parent;
    std::string name;
  };
  std::vector<Name>
      names;  // the one last seen first; a directory has one; none: removed in the box
  std::uint64_t lookups = 0;
  std::shared_ptr<base::UniqueFd> pin;  // O_PATH, of a file that was removed while in use
  std::uint64_t judged_at = 0;          // Nodes::moves when `verdict` was made; 0: never
  Verdict verdict;                      // of names[0]

  // The number of the watch on this directory (watcher.h); 0: none.
  std::atomic<std::uint64_t> watch = 0;

  bool directory() const { return S_ISDIR(type); }
};

class Nodes {
 public:
  static constexpr std::uint64_t kRoot = 1;

  // `pins`: most removed files that are kept open. `trust_birth`: the file system keeps birth times
  // that stay (overlayfs changes them when it copies a file up).
  Nodes(const Judge& judge, unsigned pins, bool trust_birth);
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;
  ~Nodes();

  void set_root(const Inode& inode);

  // Fails with ESTALE for a number that is not known.
  NodePtr get(std::uint64_t id) const;
  NodePtr find(const Identity& identity) const;

  // Notes one more lookup of a real file under this name.
  NodePtr enter(const NodePtr& parent, std::string_view name, const Inode& inode);
  // As enter, for an entry that exists in the view only.
  NodePtr enter_unreal(const NodePtr& parent, std::string_view name, Node::Kind kind, mode_t type,
                       const Synthetic* synthetic);
  // Whether that was the last of them: the number is free.
  bool forget(std::uint64_t id, std::uint64_t lookups);

  // The paths that may lead to the node, the best first, with what the policy says of each; and the
  // descriptor that keeps it if it was removed. "" is the root.
  struct Way {
    std::string path;
    Verdict verdict;
  };
  struct Ways {
    Identity identity;
    std::vector<Way> paths;
    Verdict last;  // of the name that was removed, for `pin`
    std::shared_ptr<base::UniqueFd> pin;
  };
  Ways ways(const NodePtr& node);
  // Whether all that decides how a file (not a directory) is shown is watched: it is an ordinary
  // one, and its only known name is in a watched directory.
  bool watched_by_name(const NodePtr& node) const;
  // Every name by which the box's kernel knows something real.
  struct Known {
    std::uint64_t parent, node;
    std::string name;  // "" for the root
    bool directory;
  };
  std::vector<Known> known() const;
  // The best path; fails with ESTALE if there is none.
  std::string path(const Node& node) const;

  // A name was removed in the box; `pin` (may be empty) keeps the file if it was its last, under
  // the verdict that it had.
  void removed(const NodePtr& node, const NodePtr& parent, std::string_view name,
               const Verdict& verdict, base::UniqueFd pin);
  void renamed(const NodePtr& node, const NodePtr& from, std::string_view old_name,
               const NodePtr& to, std::string_view new_name);
  // The same file of the box is now another inode (it was moved to another file system).
  void replaced(const NodePtr& node, const Inode& inode);

 private:
  std::optional<std::string> path_locked(const Node::Name& name) const;
  static void break_ring(const Node& node, Node& parent);
  void put_first(const NodePtr& node, const NodePtr& parent, std::string_view name);

  const Judge& judge_;
  const unsigned most_pins_;
  const bool trust_birth_;
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, NodePtr> by_id_;
  std::unordered_map<Identity, std::weak_ptr<Node>, IdentityHash> by_identity_;
  std::unordered_map<std::string, NodePtr> unreal_;  // by path
  std::uint64_t last_id_ = kRoot;
  std::uint64_t moves_ = 1;  // counts what can change the path of a node below another
  std::shared_ptr<std::atomic<unsigned>> pins_ = std::make_shared<std::atomic<unsigned>>(0);
};

}  // namespace agentbox::view
