// Git's index, bytes in and bytes out: versions 2, 3 and 4, SHA-1 and SHA-256 (gitformat-index(5),
// git 2.39). Pure.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::view {

class GitIndex {
 public:
  struct Entry {
    std::string_view path;  // from the worktree's top
    unsigned stage = 0;     // 1 to 3 while a merge has conflicts
    bool skip_worktree = false;
    bool submodule = false;
    bool sparse_directory = false;  // stands for all below it; outside the sparse checkout

   private:
    friend class GitIndex;
    std::size_t start = 0, name = 0, name_size = 0;  // in the bytes; the name as it is stored
    std::uint16_t flags = 0, extended = 0;
  };

  // Nothing for what is broken and for what is not wholly understood, such as a split index.
  // `bytes` must outlive the result. Does not look at the checksum.
  static std::optional<GitIndex> parse(std::string_view bytes);

  // In git's order: by path, then stage.
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view path) const;  // of stage 0; null if there is none

  // Whether git takes the file for the one that the entry was made of, without reading it: all that
  // the entry holds of its attributes is the same, and it was not changed at the time of the index
  // or later (git's Documentation/technical/racy-git.txt). `index`: attributes of the index file.
  bool unchanged(const Entry& entry, const struct stat& file, const struct stat& index) const;

  // Whether it holds what git remembers of the worktree for speed (untracked files, a file system
  // monitor's word). Between two that see different files this must not be handed on.
  bool remembers_worktree() const { return remembers_worktree_; }

  // Whether both list the same: paths, objects, modes and flags, whatever they remember of the
  // worktree's files.
  bool lists_same(const GitIndex& other) const;

  // Git itself does not check it by default; an index without one (index.skipHash) has zeros.
  bool checksum_holds() const;

  // The same index with each entry's skip-worktree bit as in `skip`, without the extensions that
  // hold offsets, remember the worktree, or are not known.
  std::string with_skip_worktree(const std::vector<bool>& skip) const;

 private:
  GitIndex(std::string_view bytes, std::size_t digest) : bytes_(bytes), digest_(digest) {}
  bool read();
  bool read_entry(std::size_t* at);
  bool read_extensions(std::size_t at);
  std::size_t end() const { return bytes_.size() - digest_; }
  std::string checksum(std::string_view bytes) const;

  std::string_view bytes_;
  std::size_t digest_;  // 20 or 32 bytes
  std::uint32_t version_ = 0;
  std::vector<Entry> entries_;
  std::deque<std::string> unpacked_;  // version 4 stores only how a name differs from the last one
  std::string extensions_;            // those that with_skip_worktree() keeps
  bool remembers_worktree_ = false;
};

}  // namespace agentbox::view
