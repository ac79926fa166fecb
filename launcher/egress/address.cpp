#include "launcher/egress/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace agentbox::egress {

namespace {

constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

Address Address::v4(std::uint32_t host_order) {
  Address result;
  std::memcpy(result.bytes, kMapped, sizeof(kMapped));
  const std::uint32_t order = htonl(host_order);
  std::memcpy(result.bytes + sizeof(kMapped), &order, sizeof(order));
  return result;
}

std::optional<Address> Address::parse(std::string_view text) {
  const std::string terminated(text);
  in_addr four{};
  if (::inet_pton(AF_INET, terminated.c_str(), &four) == 1) {
    return v4(ntohl(four.s_addr));
  }
  Address result;
  if (::inet_pton(AF_INET6, terminated.c_str(), result.bytes) == 1) {
    return result;
  }
  return std::nullopt;
}

std::optional<Address> Address::of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, address, sizeof(four));
    return v4(ntohl(four.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, address, sizeof(six));
    Address result;
    std::memcpy(result.bytes, &six.sin6_addr, sizeof(result.bytes));
    return result;
  }
  return std::nullopt;
}

bool Address::is_v4() const { return std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0; }

bool Address::is_loopback() const {
  if (is_v4()) {
    return bytes[12] == 127;
  }
  constexpr std::uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return std::memcmp(bytes, kLoopback, sizeof(kLoopback)) == 0;
}

std::uint32_t Address::v4_host_order() const {
  std::uint32_t order = 0;
  std::memcpy(&order, bytes + sizeof(kMapped), sizeof(order));
  return ntohl(order);
}

std::string Address::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes + sizeof(kMapped), buffer, sizeof(buffer));
  } else {
    ::inet_ntop(AF_INET6, bytes, buffer, sizeof(buffer));
  }
  return buffer;
}

std::string with_port(std::string_view host, std::uint16_t port) {
  std::string text;
  if (host.find(':') != std::string_view::npos) {
    text.append("[").append(host).append("]");
  } else {
    text = host;
  }
  return text + ':' + std::to_string(port);
}

}  // namespace agentbox::egress
