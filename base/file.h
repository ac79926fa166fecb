// Whole-file operations relative to descriptors.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace agentbox::base {

// Opens a path of any kind (openat(2), O_CLOEXEC is added). Throws SystemError.
UniqueFd open_at(int directory, const std::string& path, int flags, mode_t mode = 0);

// As open_at, but the path may not leave `directory`: no "..", no absolute path, no symbolic
// link and no magic link anywhere in it (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
// RESOLVE_NO_MAGICLINKS). Throws SystemError.
UniqueFd open_beneath(int directory, const std::string& path, int flags, mode_t mode = 0);

// The rest of a descriptor, at most `limit` bytes; more is an Error (kConfiguration) that names
// `name`. Not for secrets: the result is an ordinary string.
std::string read_all(int fd, std::size_t limit, std::string_view name);

// A whole file by path, with the same limit rule.
std::string read_file(const std::string& path, std::size_t limit);

// All of `data`, across short writes and EINTR. Throws SystemError.
void write_all(int fd, std::string_view data);

// Replaces directory/name by rename(2) of a synced temporary file, so that a reader or a crash
// sees the old bytes or the new. `name` has no slash. Throws SystemError; the temporary is removed.
void replace_file(int directory, const std::string& name, std::string_view data, mode_t mode);

// Creates the directory and its missing parents (mode 0700) and opens it (O_PATH is not set).
// An existing last component that another user owns is an Error. Throws SystemError.
UniqueFd open_private_directory(const std::string& path);

}  // namespace agentbox::base
