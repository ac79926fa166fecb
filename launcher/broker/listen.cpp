#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "base/error.h"
#include "launcher/broker/broker.h"

namespace agentbox::broker {

base::UniqueFd listen_at(int directory_fd, const std::string& name) {
  constexpr int kBacklog = 16;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory_fd) + '/' + name;
  if (name.find('/') != name.npos || path.size() >= sizeof address.sun_path) {
    throw base::Error(base::Status::kFailed, "\"" + name + "\" cannot be the name of a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::UniqueFd fd(static_cast<int>(
      base::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket")));
  // The new file takes the mode of its descriptor; changing the umask would race with other
  // threads.
  base::check(::fchmod(fd.get(), 0600), "change mode", name);
  base::check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind",
              name);
  base::check(::listen(fd.get(), kBacklog), "listen", name);
  return fd;
}

}  // namespace agentbox::broker
