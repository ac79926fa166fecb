#include "launcher/view/nodes.h"

#include <algorithm>

namespace agentbox::view {
namespace {

// Names kept of a file with several links; any one of them leads to it.
constexpr std::size_t kMostNames = 8;
// Deeper than any path can be (PATH_MAX / 2): ends a walk around a ring of stale names.
constexpr int kMostDepth = 2048;

}  // namespace

Nodes::Nodes(const Judge& judge, unsigned pins, bool trust_birth)
    : judge_(judge), most_pins_(pins), trust_birth_(trust_birth) {}

Nodes::~Nodes() {
  // A ring of stale names would keep itself alive.
  for (auto& [id, node] : by_id_) {
    node->names.clear();
  }
}

void Nodes::set_root(const Inode& inode) {
  auto root = std::make_shared<Node>();
  root->id = kRoot;
  root->type = S_IFDIR;
  root->identity = inode.identity;
  root->born = inode.born;
  root->lookups = 1;
  const std::lock_guard lock(mutex_);
  by_id_[kRoot] = root;
  by_identity_[inode.identity] = root;
}

NodePtr Nodes::get(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    fail(ESTALE);
  }
  return found->second;
}

NodePtr Nodes::find(const Identity& identity) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_identity_.find(identity);
  return found == by_identity_.end() ? nullptr : found->second.lock();
}

// A directory that is known to be in `node` cannot hold it: it was moved outside and not looked up
// since. The stale name would keep both forever, and has led nowhere.
void Nodes::break_ring(const Node& node, Node& parent) {
  Node* at = &parent;
  for (int depth = 0; depth < kMostDepth && !at->names.empty(); ++depth) {
    if (at->names.front().parent.get() == &node) {
      at->names.clear();
      return;
    }
    at = at->names.front().parent.get();
  }
}

void Nodes::put_first(const NodePtr& node, const NodePtr& parent, std::string_view name) {
  auto& names = node->names;
  const auto found = std::find_if(names.begin(), names.end(), [&](const Node::Name& known) {
    return known.parent == parent && known.name == name;
  });
  if (found == names.begin() && found != names.end()) {
    return;
  }
  if (node->directory()) {
    if (!names.empty()) {
      ++moves_;  // moved outside: every path below is another one now
    }
    names.clear();
    break_ring(*node, *parent);
  } else if (found != names.end()) {
    names.erase(found);
  }
  names.insert(names.begin(), {parent, std::string(name)});
  if (names.size() > kMostNames) {
    names.pop_back();
  }
  node->judged_at = 0;
  node->pin.reset();
}

NodePtr Nodes::enter(const NodePtr& parent, std::string_view name, const Inode& inode) {
  const std::lock_guard lock(mutex_);
  auto& known = by_identity_[inode.identity];
  NodePtr node = known.lock();
  // The number of a file that is gone, given to a new one: processes that still hold the old file
  // open must not find themselves in the new one.
  const bool same = node && node->type == (inode.stat.st_mode & S_IFMT) &&
                    (!trust_birth_ || node->born == inode.born) && node->id != kRoot;
  if (!same) {
    node = std::make_shared<Node>();
    node->id = ++last_id_;
    node->type = inode.stat.st_mode & S_IFMT;
    node->identity = inode.identity;
    node->born = inode.born;
    by_id_[node->id] = node;
    known = node;
  }
  put_first(node, parent, name);
  ++node->lookups;
  return node;
}

NodePtr Nodes::enter_unreal(const NodePtr& parent, std::string_view name, Node::Kind kind,
                            mode_t type, const Synthetic* synthetic) {
  const std::lock_guard lock(mutex_);
  const std::string path = path_locked({parent, std::string(name)}).value_or("");
  NodePtr& node = unreal_[path];
  if (!node || node->kind != kind) {
    node = std::make_shared<Node>();
    node->id = ++last_id_;
    node->kind = kind;
    node->type = type;
    node->synthetic = synthetic;
    node->names.push_back({parent, std::string(name)});
  }
  by_id_[node->id] = node;
  ++node->lookups;
  return node;
}

bool Nodes::forget(std::uint64_t id, std::uint64_t lookups) {
  std::vector<Node::Name> dropped;  // parents end outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || id == kRoot) {
    return false;
  }
  const NodePtr node = found->second;
  node->lookups -= std::min(node->lookups, lookups);
  if (node->lookups > 0) {
    return false;
  }
  by_id_.erase(found);
  node->pin.reset();
  if (node->kind != Node::Kind::kReal) {
    return true;  // of a bounded number; kept by path
  }
  const auto known = by_identity_.find(node->identity);
  if (known != by_identity_.end() && known->second.lock() == node) {
    by_identity_.erase(known);
  }
  if (!node->directory()) {  // a directory may still be the parent in a name that is kept
    dropped.swap(node->names);
  }
  return true;
}

std::optional<std::string> Nodes::path_locked(const Node::Name& name) const {
  const Node::Name* parts[kMostDepth];
  int count = 0;
  std::size_t length = 0;
  for (const Node::Name* at = &name;;) {
    if (count == kMostDepth) {
      return std::nullopt;
    }
    parts[count++] = at;
    length += at->name.size() + 1;
    if (at->parent->id == kRoot) {
      break;
    }
    if (at->parent->names.empty()) {
      return std::nullopt;
    }
    at = &at->parent->names.front();
  }
  std::string path;
  path.reserve(length);
  while (count > 0) {
    path += parts[--count]->name;
    if (count > 0) {
      path += '/';
    }
  }
  return path;
}

Nodes::Ways Nodes::ways(const NodePtr& node) {
  const std::lock_guard lock(mutex_);
  Ways ways;
  ways.identity = node->identity;
  ways.pin = node->pin;
  ways.last = node->verdict;
  if (node->id == kRoot) {
    ways.paths.push_back({"", judge_.judge("", true)});
    return ways;
  }
  for (std::size_t i = 0; i < node->names.size(); ++i) {
    auto path = path_locked(node->names[i]);
    if (!path) {
      continue;
    }
    Verdict verdict;
    if (i == 0 && node->judged_at == moves_) {
      verdict = node->verdict;
    } else {
      verdict = judge_.judge(*path, node->directory());
      if (i == 0) {
        node->verdict = verdict;
        node->judged_at = moves_;
      }
    }
    ways.paths.push_back({std::move(*path), verdict});
  }
  return ways;
}

bool Nodes::watched_by_name(const NodePtr& node) const {
  const std::lock_guard lock(mutex_);
  return node->names.size() == 1 && node->names.front().parent->watch != 0 &&
         node->judged_at != 0 && node->verdict.content == Content::kPlain;
}

std::vector<Nodes::Known> Nodes::known() const {
  const std::lock_guard lock(mutex_);
  std::vector<Known> known;
  known.reserve(by_id_.size());
  for (const auto& [id, node] : by_id_) {
    if (id == kRoot) {
      known.push_back({0, id, "", true});
    } else if (node->kind == Node::Kind::kReal) {
      for (const Node::Name& name : node->names) {
        known.push_back({name.parent->id, id, name.name, node->directory()});
      }
    }
  }
  return known;
}

std::string Nodes::path(const Node& node) const {
  if (node.id == kRoot) {
    return "";
  }
  const std::lock_guard lock(mutex_);
  if (!node.names.empty()) {
    if (auto path = path_locked(node.names.front())) {
      return *path;
    }
  }
  fail(ESTALE);
}

void Nodes::removed(const NodePtr& node, const NodePtr& parent, std::string_view name,
                    const Verdict& verdict, base::UniqueFd pin) {
  const std::lock_guard lock(mutex_);
  std::erase_if(node->names, [&](const Node::Name& known) {
    return known.parent == parent && known.name == name;
  });
  node->judged_at = 0;
  if (!node->names.empty() || node->lookups == 0 || !pin || *pins_ >= most_pins_) {
    return;
  }
  ++*pins_;
  node->verdict = verdict;
  node->pin = std::shared_ptr<base::UniqueFd>(new base::UniqueFd(std::move(pin)),
                                              [pins = pins_](base::UniqueFd* held) {
                                                --*pins;
                                                delete held;
                                              });
}

void Nodes::renamed(const NodePtr& node, const NodePtr& from, std::string_view old_name,
                    const NodePtr& to, std::string_view new_name) {
  const std::lock_guard lock(mutex_);
  std::erase_if(node->names, [&](const Node::Name& known) {
    return known.parent == from && known.name == old_name;
  });
  if (node->directory()) {
    node->names.clear();
    ++moves_;
  }
  put_first(node, to, new_name);
}

void Nodes::replaced(const NodePtr& node, const Inode& inode) {
  const std::lock_guard lock(mutex_);
  const auto known = by_identity_.find(node->identity);
  if (known != by_identity_.end() && known->second.lock() == node) {
    by_identity_.erase(known);
  }
  node->identity = inode.identity;
  node->born = inode.born;
  by_identity_[inode.identity] = node;
}

}  // namespace agentbox::view
