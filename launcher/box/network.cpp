// The box's network namespace: the loopback interface, local routes, the supervisor's sockets.
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

using base::UniqueFd;

constexpr int kBacklog = 128;

}  // namespace

int raise_loopback(Context&, const Step&) {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    return errno;
  }
  ifreq request = {};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0 ? errno : 0;
}

int add_route(Context& context, const Step& step) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) {
    return errno;
  }
  const std::string& message = context.routes[step.index];
  if (::send(socket.get(), message.data(), message.size(), 0) < 0) {
    return errno;
  }
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } answer = {};
  const ssize_t size = ::recv(socket.get(), &answer, sizeof answer, 0);
  if (size < 0) {
    return errno;
  }
  if (static_cast<std::size_t>(size) < sizeof answer.header + sizeof answer.error ||
      answer.header.nlmsg_type != NLMSG_ERROR) {
    return EPROTO;
  }
  return -answer.error.error;
}

int open_socket(Context& context, const Step& step) {
  const sockaddr_storage& address = context.addresses[step.index];
  UniqueFd socket(
      ::socket(address.ss_family, (step.flag ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  if (!socket) {
    return errno;
  }
  const int on = 1;
  if (address.ss_family == AF_INET6 &&
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) {
    return errno;
  }
  const socklen_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    return errno;
  }
  if (!step.flag && ::listen(socket.get(), kBacklog) < 0) {
    return errno;
  }
  context.handles[context.handle_count++] = socket.release();
  return 0;
}

}  // namespace agentbox::box
