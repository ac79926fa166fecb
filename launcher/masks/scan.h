// What a walk finds to cover.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/box/guard.h"
#include "launcher/masks/contents.h"
#include "launcher/masks/watches.h"
#include "policy/file_rules.h"

namespace agentbox::masks {

using Cover = box::Guard::Cover;
using Inode = std::pair<dev_t, ino_t>;

// A directory that the box has as it is, at the same path.
struct Tree {
  std::string root;          // absolute, without symbolic links
  base::UniqueFd directory;  // the same, O_PATH
  std::string prefix;        // put before the paths that the rules judge
};

// Something to cover. `path` is relative to the tree's root.
struct Mask {
  std::size_t tree = 0;
  std::string path;
  Cover cover = Cover::kFile;
  Inode inode;
  mode_t type = 0;  // S_IFMT bits; S_IFLNK only under a name that is read-only
  const policy::Pattern* rule = nullptr;
  bool own_content = false;  // read-only for what is in it now, not by its name
  timespec changed = {};     // the time of the inode's last change; only of links
  std::string found = {};    // what is in it, if that is why
  bool report = false;       // found, but shown all the same
};

// Collects what is to be covered in the trees, and watches their directories on the way: before a
// directory is listed, so that nothing that appears in it is missed. Symbolic links are left alone:
// what they lead to is judged where it is. Throws base::Error where masks cannot be relied upon: a
// file system that may change unseen, a directory that is there under two names.
class Scan {
 public:
  struct Options {
    Watches* watches = nullptr;                    // null: nothing is watched
    const Contents* contents = nullptr;            // null: names alone are judged
    bool tell_hidden = false;                      // the contents, of hidden files
    std::atomic<std::size_t>* progress = nullptr;  // counts names; may be null
  };

  // All must outlive it.
  Scan(const policy::FileRules& rules, const std::vector<Tree>& trees, const Options& options)
      : rules_(rules), trees_(trees), options_(options) {}

  // Everything in the tree. By `threads` at once.
  void whole(std::size_t tree, unsigned threads);
  // One name, and all below it if it is a directory. Nothing if it is not there any more.
  void name(const Directory& directory, std::string_view name);
  // Adds the directories by whose names something in them is covered: they must keep them.
  void add_deciding();

  // By path: what is in a directory comes after it.
  std::vector<Mask> masks();
  // Inodes of hidden files that have further names.
  const std::set<Inode>& hidden() const { return hidden_; }
  // Of the files that are shown, those in which a secret stands. Also of those in masks(): under a
  // name that is read-only.
  const std::vector<Mask>& found() const { return found_; }
  // Of the files that are shown, those that have further names.
  const std::vector<Mask>& linked() const { return linked_; }

 private:
  void below(std::size_t tree, const std::string& path, int directory, unsigned threads);
  // Whether to go into it.
  bool entry(std::size_t tree, const std::string& path, int directory, const std::string& name,
             const policy::FileDecision& decision, bool below_hidden);
  // Of a file that the rules do not simply show.
  bool hides(policy::FileAction action, const Directory& place, int directory,
             const std::string& name);
  // A file that is shown.
  void look_into(const Mask& file, int directory, const std::string& name);
  void tell_hidden(std::size_t tree, const std::string& path, mode_t type);
  void watch(int directory, const Directory& place);
  void require_local(dev_t device, int file, const std::string& path);
  std::string judged(std::size_t tree, const std::string& path) const;

  const policy::FileRules& rules_;
  const std::vector<Tree>& trees_;
  const Options options_;
  std::atomic<dev_t> device_{0};  // the last that was found to be local
  std::mutex mutex_;
  std::vector<Mask> masks_;
  std::vector<Mask> linked_;
  std::vector<Mask> found_;
  std::set<Inode> hidden_;
};

}  // namespace agentbox::masks
