#include "launcher/scan/file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>

namespace agentbox::scan {

base::UniqueFd open_regular(const survey::Entry& entry, struct stat& status) {
  base::UniqueFd fd(::openat(entry.directory, entry.name.data(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    // Gone, or replaced by a link or a socket.
    errno = errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : errno;
    return {};
  }
  if (::fstat(fd.get(), &status) != 0) {
    return {};
  }
  if (!S_ISREG(status.st_mode)) {
    errno = 0;
    return {};
  }
  return fd;
}

WipedBuffer::~WipedBuffer() { ::explicit_bzero(bytes_.get(), size_); }

ssize_t read_fully(int fd, std::span<char> room) {
  std::size_t have = 0;
  while (have < room.size()) {
    const ssize_t count = ::read(fd, room.data() + have, room.size() - have);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    have += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(have);
}

}  // namespace agentbox::scan
