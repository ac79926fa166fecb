#include "launcher/egress/upstream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/unique_fd.h"

namespace agentbox::egress {

namespace {

Resolution resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  Resolution resolution;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0) {
    resolution.error = code == EAI_SYSTEM ? ::strerrordesc_np(errno) : ::gai_strerror(code);
    return resolution;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const std::optional<Address> address = Address::of(entry->ai_addr);
    if (address && std::find(resolution.addresses.begin(), resolution.addresses.end(), *address) ==
                       resolution.addresses.end()) {
      resolution.addresses.push_back(*address);
    }
  }
  return resolution;
}

// Connecting a datagram socket sends nothing; it makes the kernel choose a source address, and
// that is the destination itself where the destination is an address of this host.
bool is_own(const Address& address) {
  const base::UniqueFd fd(
      ::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    return true;  // cannot tell: refused
  }
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(9);  // any; nothing is sent
    four.sin_addr.s_addr = htonl(address.v4_host_order());
    length = sizeof(four);
    std::memcpy(&storage, &four, length);
  } else {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(9);
    std::memcpy(&six.sin6_addr, address.bytes, sizeof(address.bytes));
    length = sizeof(six);
    std::memcpy(&storage, &six, length);
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return false;  // no route: dialling fails in the same way and says so
  }
  length = sizeof(storage);
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return true;
  }
  return Address::of(reinterpret_cast<const sockaddr*>(&storage)) == address;
}

}  // namespace

Upstream host_upstream() {
  return {resolve, is_own,
          [](const Address& address, std::uint16_t port) { return std::pair(address, port); }};
}

}  // namespace agentbox::egress
