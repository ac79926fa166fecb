#include "launcher/survey/directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace agentbox::survey {

namespace {

// getdents64(2): the C library has no name for it under which d_name is not of fixed size.
struct KernelEntry {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
};
constexpr std::size_t kNameOffset = offsetof(KernelEntry, type) + 1;

// Not base::open_beneath(), which throws: a tree may hold any number of closed directories.
base::UniqueFd open_step(int directory, std::string_view path, std::uint64_t flags) {
  const std::string name(path.empty() ? "." : path);
  struct open_how how = {};
  how.flags = flags | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return base::UniqueFd(static_cast<int>(fd));
}

}  // namespace

base::UniqueFd open_directory(int directory, std::string_view path) {
  base::UniqueFd step;
  while (path.size() >= PATH_MAX) {
    const std::size_t slash = path.rfind('/', PATH_MAX - 1);  // a name is much shorter
    step = open_step(directory, path.substr(0, slash), O_PATH);
    if (!step) {
      return step;
    }
    directory = step.get();
    path.remove_prefix(slash + 1);
  }
  return open_step(directory, path, O_RDONLY);
}

long read_entries(int directory, std::span<char> buffer) {
  long count = 0;
  do {
    count = ::syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
  } while (count < 0 && errno == EINTR);
  return count;
}

RawEntry take_entry(std::span<const char>& entries) {
  const char* const start = entries.data();
  unsigned short length = 0;
  std::memcpy(&length, start + offsetof(KernelEntry, length), sizeof length);
  const auto type = static_cast<unsigned char>(start[offsetof(KernelEntry, type)]);
  entries = entries.subspan(length);
  return {.name = start + kNameOffset, .type = type};
}

}  // namespace agentbox::survey
