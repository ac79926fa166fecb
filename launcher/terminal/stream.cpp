#include "launcher/terminal/stream.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace agentbox::terminal {
namespace {

constexpr std::size_t kUnlimited = std::size_t{1} << 20;
// What a terminal surely has room for when poll(2) calls it writable (Linux tty: WAKEUP_CHARS).
constexpr std::size_t kTerminalRoom = 256;

}  // namespace

Stream::Stream(int descriptor, Direction direction)
    : shared_(descriptor), terminal_(isatty(descriptor) != 0), most_(kUnlimited) {
  struct stat status {};
  const bool known = fstat(descriptor, &status) == 0;
  const bool pipe = known && S_ISFIFO(status.st_mode);
  regular_ = known && S_ISREG(status.st_mode);
  if (!terminal_ && !pipe) {
    if (known && S_ISSOCK(status.st_mode)) {
      most_ = PIPE_BUF;
    }
    return;
  }
  const int access = direction == Direction::kRead ? O_RDONLY : O_WRONLY;
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  own_.reset(open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own_) {
    most_ = terminal_ ? kTerminalRoom : PIPE_BUF;  // pipe(7): atomic, so room for it
  }
}

ssize_t Stream::read(char* data, std::size_t size) const {
  ssize_t result;
  do {
    result = ::read(descriptor(), data, size);
  } while (result < 0 && errno == EINTR);
  return result;
}

ssize_t Stream::write(const char* data, std::size_t size) const {
  ssize_t result;
  do {
    result = ::write(descriptor(), data, std::min(size, most_));
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace agentbox::terminal
