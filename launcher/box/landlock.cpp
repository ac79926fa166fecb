#include "launcher/box/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

using base::UniqueFd;

// Documentation/userspace-api/landlock.rst of Linux 6.18.
constexpr std::uint64_t kTruncate = 1ULL << 14;            // ABI 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;         // ABI 5
constexpr std::uint64_t kScopeAbstractSocket = 1ULL << 0;  // ABI 6
constexpr std::uint64_t kScopeSignal = 1ULL << 1;          // ABI 6

struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;  // ABI 4
  std::uint64_t scoped;              // ABI 6
};

constexpr std::uint64_t kRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kFileWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

std::uint64_t known_rights(int abi) {
  std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // ABI 1
  if (abi >= 2) {
    rights |= LANDLOCK_ACCESS_FS_REFER;
  }
  if (abi >= 3) {
    rights |= kTruncate;
  }
  if (abi >= 5) {
    rights |= kIoctlDevice;
  }
  return rights;
}

int allow(int ruleset, const char* path, std::uint64_t rights) {
  UniqueFd place(::open(path, O_PATH | O_CLOEXEC));
  if (!place) {
    return errno == ENOENT ? 0 : errno;  // an optional bind that was not there
  }
  struct stat status = {};
  if (::fstat(place.get(), &status) < 0) {
    return errno;
  }
  if (!S_ISDIR(status.st_mode)) {
    rights &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | kFileWrite;
  }
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = rights;
  rule.parent_fd = place.get();
  return ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? errno
                                                                                             : 0;
}

}  // namespace

int landlock_abi() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0 && errno != ENOSYS && errno != EOPNOTSUPP) {
    throw base::SystemError("ask for", "Landlock's version", errno);
  }
  return version > 0 ? static_cast<int>(version) : 0;
}

int restrict_with_landlock(Context& context, const Step&) {
  const std::uint64_t known = known_rights(context.landlock_abi);
  RulesetAttributes attributes = {};
  attributes.handled_access_fs = known;
  if (context.landlock_abi >= 6) {
    attributes.scoped = kScopeAbstractSocket | kScopeSignal;
  }
  const std::size_t size =
      context.landlock_abi >= 6 ? sizeof attributes : sizeof attributes.handled_access_fs;
  UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!ruleset) {
    return errno;
  }
  int error = allow(ruleset.get(), "/", kRead);
  for (const char* path : {"/dev", "/proc"}) {
    if (error == 0) {
      error = allow(ruleset.get(), path, (kRead | kFileWrite) & known);
    }
  }
  for (const std::string& path : context.writable) {
    if (error == 0) {
      error = allow(ruleset.get(), path.c_str(), known);
    }
  }
  if (error != 0) {
    return error;
  }
  return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) < 0 ? errno : 0;
}

}  // namespace agentbox::box
