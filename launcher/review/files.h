// What the room does with single files, always by a descriptor of their directory: no link is ever
// followed, neither in a layer nor in the user's tree.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::review {

// An absolute path without symbolic links in it. Throws base::SystemError.
base::UniqueFd open_absolute(const std::string& path, int flags);

// A path below `directory` ("" is itself); empty with errno set if it cannot be had.
base::UniqueFd open_below(int directory, const std::string& path, int flags);

// The names in a directory, sorted, without "." and "..". Throws base::SystemError.
std::vector<std::string> names_in(int directory);

// Of a name, links not followed; nothing if there is none. Throws base::SystemError.
std::optional<struct stat> status_of(int directory, const std::string& name);

// Nanoseconds since the epoch.
std::int64_t nanoseconds(const struct timespec& time);

// Text of a symbolic link. Throws base::SystemError.
std::string link_text(int directory, const std::string& name);

// A regular file's bytes. Throws base::Error; kFailed for more than `limit`.
std::string bytes_of(int directory, const std::string& name, std::size_t limit);

// Whether two regular files hold the same bytes. Throws base::SystemError.
bool same_bytes(int first_directory, const std::string& first, int second_directory,
                const std::string& second);

// Copies a regular file or a symbolic link to a new name: bytes, permissions (no set-id bits),
// modification time; the owner too where this process is user 0. Not synced. Throws
// base::SystemError; what is half-made stays.
void copy(int from_directory, const std::string& from, int to_directory, const std::string& to);

// Removes a tree or a file, if it is there, whatever its permissions. Throws base::SystemError.
void remove_tree(int directory, const std::string& name);

inline std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') {
    path += '/';
  }
  path += name;
  return path;
}

// "" for a name at the top.
inline std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

inline std::string name_of(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

inline bool is_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace agentbox::review
