// Answers the requests of one view, on real files. Thread-safe; knows nothing of how requests come
// in (fuse_operations.h) and of threads (view.cpp). Every request ends by returning or by Failure.
#pragma once

#include <fuse_lowlevel.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "launcher/view/contents.h"
#include "launcher/view/entries.h"
#include "launcher/view/hard_links.h"
#include "launcher/view/held_files.h"
#include "launcher/view/index_files.h"
#include "launcher/view/nodes.h"
#include "launcher/view/own_files.h"
#include "launcher/view/owners.h"
#include "launcher/view/refused_objects.h"
#include "launcher/view/sealed_files.h"
#include "launcher/view/stale.h"
#include "launcher/view/storage.h"
#include "launcher/view/verdicts.h"
#include "launcher/view/watcher.h"

namespace agentbox::view {

// What SETATTR asks for; the bits of `set` are libfuse's FUSE_SET_ATTR_*.
struct Change {
  struct stat to;
  int set;
};

// A node as the kernel gets it: its lookup has been counted.
struct Reply {
  NodePtr node;  // null: no such name
  struct stat stat = {};
  bool kept = true;  // the kernel may keep the name for a while
  // Outside changes of the name, or of the attributes, are told to the kernel (watcher.h).
  bool name_watched = false;
  bool attributes_watched = false;
};

class FileServer {
 public:
  explicit FileServer(Config config);

  // Names.
  Reply lookup(std::uint64_t parent, const char* name);
  void forget(std::uint64_t id, std::uint64_t lookups);
  Reply create(std::uint64_t parent, const char* name, mode_t mode, int flags);
  Reply make_node(std::uint64_t parent, const char* name, mode_t mode);
  Reply make_directory(std::uint64_t parent, const char* name, mode_t mode);
  Reply make_symlink(std::uint64_t parent, const char* name, const char* text);
  Reply link(std::uint64_t id, std::uint64_t parent, const char* name);
  void remove(std::uint64_t parent, const char* name, bool directory);
  void rename(std::uint64_t from, const char* name, std::uint64_t to, const char* new_name,
              unsigned flags);
  std::string read_link(std::uint64_t id);

  // Attributes and contents.
  struct stat attributes(std::uint64_t id);
  struct stat change(std::uint64_t id, const Change& change);
  // Into `buffer`; returns the length, 0 at the end of the file. kRoom bytes before `buffer` and as
  // many after `size` are the server's to work with.
  static constexpr std::size_t kRoom = Secrets::kReach + Verdicts::kBlock;
  std::size_t read(std::uint64_t id, char* buffer, std::size_t size, off_t offset);
  std::size_t write(std::uint64_t id, std::string_view bytes, off_t offset, int flags);
  void allocate(std::uint64_t id, int mode, off_t offset, off_t length);
  off_t seek(std::uint64_t id, off_t offset, int whence);
  void sync(std::uint64_t id, bool data_only);
  struct statvfs space(std::uint64_t id);

  // Fills `buffer` with entries in the kernel's format from `offset` on; returns the length.
  std::size_t list(fuse_req_t request, std::uint64_t id, char* buffer, std::size_t size,
                   off_t offset, bool with_attributes);

  Watcher& watcher() { return watcher_; }
  // What follows from what the box itself asked for, or from View::judge_again().
  StaleQueue& stale() { return stale_; }
  // What follows from a change outside; at most a few.
  std::vector<Stale> stale_after(const Watcher::Event& event);
  // All that was ever told, when changes were lost.
  std::vector<Stale> everything() const;
  // Whether a node's attributes may be kept long, if they are read after this call.
  bool attributes_watched(std::uint64_t id) const;
  static double attribute_seconds(bool watched, const struct stat& stat);

  // How long the box's kernel may answer from what it was told, without a watch: a change outside
  // is seen at most this late; a hidden name stays hidden, because what is cached never was hidden.
  static constexpr double kEntrySeconds = 1.0;
  static constexpr double kNoEntrySeconds = 0.25;
  static constexpr double kAttributeSeconds = 1.0;

  // With one: this late where the watch missed it (a mapping that is written to, lost events).
  static constexpr double kWatchedSeconds = 120.0;
  static constexpr double kNoEntryWatchedSeconds = 5.0;

  static fuse_entry_param entry_of(const Reply& reply);

 private:
  // A node that was opened by one of its paths, checked to be the same file, and judged.
  struct Opened {
    base::UniqueFd fd;
    Inode inode;
    Verdict verdict;
    std::string path;
  };
  // A name in a directory, found and judged.
  struct Found {
    Inode inode;
    Verdict verdict;
    std::string path;
    Node::Kind kind = Node::Kind::kReal;
    const Synthetic* synthetic = nullptr;
    bool unsure = false;  // only a walk can tell whether it is visible
  };
  // Where a name of the view really is: a name in an open directory.
  struct Slot {
    base::UniqueFd held;  // if it is not the view's own parent directory
    int directory = -1;
    std::string name;
    std::string path;  // in the view
    Verdict verdict;
  };
  struct Listing {
    std::uint64_t node;
    std::vector<Entry> entries;
  };

  // Watches an open directory before its entries are looked at. Whether it is watched.
  bool watch(const NodePtr& node, const Opened& directory);
  // Notes in a reply what is watched; `placed` is how many watches there were before it was made.
  void note_watched(bool name_watched, std::uint64_t placed, const Found& found, Reply* reply);

  Opened open(const NodePtr& node, int flags);
  Opened open_directory(std::uint64_t id, NodePtr* node = nullptr);
  // As open(), also where the file's mode forbids its owner what an earlier open(2) in the box
  // allowed: there is no open request, so the descriptor of that time does not exist here.
  Opened open_contents(const NodePtr& node, int flags);
  void admit(const Inode& inode, Verdict* verdict, const std::string& path);
  // Of a file with a hidden name, open (O_PATH too): whether the box may see it all the same, as
  // what `verdict` is made to say then.
  bool uncover(const Inode& inode, int fd, Verdict* verdict);

  int find(const NodePtr& parent, const Opened* directory, const char* name, bool walk,
           Found* found);
  Reply enter(const NodePtr& parent, const char* name, const Found& found);
  // The slot of a name that is about to be made or replaced. Fails if the policy is against it.
  // `new_file`: it is made empty, which some read-only files may be. `own`: the box's own file gets
  // it, which may have a name that hides (own_files.h).
  Slot target(const Opened& directory, const char* name, bool is_directory, bool new_file = false,
              bool own = false);
  Slot slot(const Opened& directory, std::string name, std::string path, const Verdict& verdict,
            bool make_parents);
  Reply made(const NodePtr& parent, const Opened& directory, const char* name);
  void require_writable(const Verdict& verdict, const std::string& path);
  // Fails if the box is about to put a symbolic link where something of the home is listed: a link
  // there is followed as one of the user's own, to any place in the home.
  void require_no_listed_link(const Slot& slot, const Inode& inode);
  [[noreturn]] void refuse_write(const Verdict& verdict, const std::string& path);
  void require_same_rights_below(const std::string& from, const std::string& to);
  void compare_rights_below(const std::string& from, const std::string& to);
  void move_across(const Slot& from, const Slot& to, const Found& source, unsigned flags);
  base::UniqueFd pin(const Slot& slot, const Inode& inode, NodePtr* node);
  void after_write(const Opened& file);
  // What happens if a secret is found in the file.
  policy::ContentDecision judge_contents(const Opened& file) const;
  std::string rules_path(const Opened& file) const;
  // As read(), of an ordinary file, with what was found in it taken out.
  std::size_t read_judged(const Opened& file, const NodePtr& node,
                          const policy::ContentDecision& decision, char* buffer, std::size_t size,
                          off_t offset);
  // Takes what is found in `text` out of the part of it that is sent. Whether nothing was found in
  // any of it. Fails with EACCES if nothing may be sent.
  bool take_out_secrets(const Opened& file, const NodePtr& node,
                        const policy::ContentDecision& decision, std::span<char> text, char* sent,
                        std::size_t length);
  // Whether something is found in these bytes or near them; the first finding's kind.
  bool find_secret(const Opened& file, off_t from, off_t to, std::string_view* what) const;
  // Fails with EACCES if a secret is anywhere in the file.
  void require_no_secret(const Opened& file, const NodePtr& node,
                         const policy::ContentDecision& decision, const Verdicts::State& state);
  // Whether the box does not get the bytes of the file at this path as they are.
  bool withheld(const std::string& path);
  // Git in the box stores nothing of what the file shows now.
  void refuse_object(const Opened& file, const Verdicts::State& state);
  // Fails if to change these bytes could make a secret look like none, or lose it.
  void require_no_secret_near(const Opened& file, const NodePtr& node, off_t from, off_t to);
  // Takes the values that were released to the box out of what it is about to write at `offset`,
  // and the parts of one out of the file that stand beside that; or fails with EACCES. What is to
  // be written: `bytes`, or a part of `text`, which the caller wipes.
  std::string_view guard_write(const Opened& file, const NodePtr& node, std::string_view bytes,
                               off_t offset, std::string& text);
  // The file is read-only for the box from now on.
  void seal(const Opened& file, const NodePtr& node, const policy::ContentDecision& decision,
            std::string_view what);
  // For a file with a Verdict::link: whether it may go; its only write.
  bool may_remove_link(const Slot& slot, const Found& found) const;
  std::size_t write_link(const Opened& file, std::string_view bytes, off_t offset);

  // An index file (Content::kGitIndex), as the box gets it; null for every other file.
  std::shared_ptr<const IndexFiles::Shown> index_of(const Opened& file);
  struct stat shown(const Opened& file);
  // Fails if the file is an index that the box must not change in its place.
  void require_no_shown_index(const Opened& file);
  // Fails if the name is an index that must not go away from it.
  void require_no_index_at(const Slot& slot, const Inode& inode);
  // Fails if the name is git's lock on an index that the box must not write.
  void require_no_locked_index(const Opened& directory, const std::string& path);
  // Puts what is to become the index in the place of what the box wrote. False if that may stay.
  bool rewrite_index(const Slot& from, const Slot& to, const Found& source, bool replaces);

  std::shared_ptr<const Listing> listing(const NodePtr& node, off_t offset, std::uint64_t* serial);
  std::vector<Entry> entries(const NodePtr& node);
  void add_entries(const Opened& directory, int fd, bool listed_only, std::vector<Entry>* entries);

  struct stat shown(const Inode& inode, const Verdict& verdict) const;
  Inode unreal_inode(const Found& found) const;
  const Synthetic* synthetic_at(const std::string& path) const;

  const Config config_;
  Judge judge_;
  Storage storage_;
  Nodes nodes_;
  HardLinks links_;
  Contents contents_;
  IndexFiles indexes_;
  HeldFiles held_;
  OwnFiles own_;
  SealedFiles sealed_;
  Verdicts verdicts_;
  StaleQueue stale_;
  const std::shared_ptr<RefusedObjects> refused_;
  Watcher watcher_;
  std::once_flag told_unwatched_;
  const Owners owners_;
  // Shared while a path is turned into a file, alone while the box changes what paths mean.
  std::shared_mutex names_;
  std::mutex lending_;  // open_contents changes modes for a moment
  std::mutex linking_;  // write_link looks and writes

  std::map<std::string, const Synthetic*, std::less<>> synthetic_;
  std::map<std::string, std::set<std::string>, std::less<>> unreal_children_;  // by directory
  struct timespec started_ = {};

  std::mutex listings_mutex_;
  std::map<std::uint64_t, std::shared_ptr<const Listing>> listings_;  // by serial number
  std::uint64_t last_listing_ = 0;
};

}  // namespace agentbox::view
