// What a box gets of git's index files. Git takes a hidden file that it tracks for a deleted one,
// and "git commit -a" would commit that. So the box reads an index in which the skip-worktree bit
// is set on each such entry: git leaves those alone (git-update-index(1), "Skip-worktree bit").
// So is a file from whose contents something is taken out, if git would read it anew: it would take
// it for changed. What the box writes loses the bits again before it gets the index's name.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/view/contents.h"
#include "launcher/view/git_index.h"
#include "launcher/view/storage.h"

namespace agentbox::view {

class IndexFiles {
 public:
  struct Shown {
    enum class How {
      kAsItIs,     // nothing hidden is in it, or it is no index at all
      kRewritten,  // `bytes` instead
      // As it is, but git must not write: a split index or one that is broken, or a hidden entry
      // with a conflict, which git would take out with "git add -A".
      kLocked,
    } how = How::kAsItIs;
    std::string bytes;
    // Nanoseconds that the modification time is put back, so that the kernel drops its pages when
    // the bytes change and the file does not.
    long older = 0;
    bool legible = false;  // a whole index

    // What the box gets of the file's attributes.
    void amend(struct stat* stat) const;
  };

  // Whether the box does not get the bytes of the file at this path, in the view, as they are.
  using Withheld = std::function<bool(const std::string& path)>;

  // Keeps references.
  IndexFiles(const Config& config, const Storage& storage, Contents& contents, Withheld withheld)
      : config_(config), storage_(storage), contents_(contents), withheld_(std::move(withheld)) {}

  // The file at this path was changed, or something was found in it: git may read it anew.
  void changed(const std::string& path);

  // Of an index (Content::kGitIndex) that is open for reading. `path` in the view; "" for one that
  // was removed while in use. Fails with an errno.
  std::shared_ptr<const Shown> shown(const std::string& path, int fd);

  // What is to become of a new index that the box wrote for `path`, by descriptors of it and of the
  // one that it replaces (-1: none): `bytes` instead, or the file as it is. Fails with EACCES if it
  // must not become the index.
  struct Written {
    bool changed = false;
    std::string bytes;
  };
  Written written(const std::string& path, int fresh, int replaced);

 private:
  // Paths of worktrees, in terms of the rules, that an index may be of.
  using Worktrees = std::vector<std::string>;
  struct Known {
    Inode inode;
    std::vector<std::string> doubtful;  // entries that are hidden if they hold a credential
    std::vector<bool> denied;           // which of them do
    std::set<std::string> withheld;     // entries that git would read, and the box cannot
    std::set<std::string> changed;      // since then
    bool much_changed = false;          // more than are listed
    std::shared_ptr<const Shown> shown;
  };
  // Which entries are hidden.
  struct Judged {
    std::vector<bool> hidden;
    std::vector<std::string> doubtful;
    std::vector<bool> denied;
    std::set<std::string> withheld;
    bool any = false;
    bool conflict = false;  // one of them is not merged
  };

  Worktrees worktrees(const std::string& path) const;
  // `status`: of the index file; null: files are not looked at for what git would read of them.
  Judged judge(const GitIndex& index, const struct stat* status, const Worktrees& worktrees);
  // Whether git would read the file at `path`, and the box does not get it as it is.
  bool reads_withheld(const GitIndex& index, const GitIndex::Entry& entry,
                      const struct stat& status, const std::string& path) const;
  bool was_withheld(const std::string& path);
  // Whether a file with a credential in it stands there; `path` in terms of the rules.
  bool denied(const std::string& path);
  std::shared_ptr<const Shown> known(const std::string& path, const Inode& inode);

  const Config& config_;
  const Storage& storage_;
  Contents& contents_;
  const Withheld withheld_;
  std::mutex mutex_;
  std::list<Known> known_;  // the last used first
  std::uint64_t changes_ = 0;
  std::set<std::string> withholds_;  // all that were ever shown with the bit for their contents
};

// Whether git keeps an index under this path, in terms of the rules: a repository's, a linked
// worktree's or a submodule's. If so, `top` is where the ".git" directory stands and `inner` the
// path of the index's directory in it.
bool is_git_index(std::string_view path, std::string_view* top = nullptr,
                  std::string_view* inner = nullptr);

}  // namespace agentbox::view
