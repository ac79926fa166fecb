#include "launcher/box/addresses.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <cstddef>
#include <cstring>
#include <optional>

#include "base/encode.h"
#include "base/error.h"
#include "base/number.h"

namespace agentbox::box {

namespace {

using base::Error;
using base::Status;

constexpr std::uint32_t kLoopback = 1;  // the first interface of every network namespace

struct RouteMessage {
  nlmsghdr header;
  rtmsg route;
  rtattr destination_header;
  unsigned char destination[16];
};

struct OutputAttribute {
  rtattr header;
  std::uint32_t interface;
};

}  // namespace

std::string bad_plan_message(std::string_view what, std::string_view value) {
  std::string text = "box plan: ";
  text += what;
  text += ": ";
  text += base::printable(value);
  return text;
}

sockaddr_storage socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_storage storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
  } else {
    throw Error(Status::kConfiguration, bad_plan_message("not an address", address));
  }
  return storage;
}

std::string local_route_message(const std::string& route) {
  const std::size_t slash = route.find('/');
  const std::string address = route.substr(0, slash);
  in6_addr bytes = {};
  int family = AF_INET;
  if (::inet_pton(AF_INET, address.c_str(), &bytes) != 1) {
    family = AF_INET6;
    if (::inet_pton(AF_INET6, address.c_str(), &bytes) != 1) {
      throw Error(Status::kConfiguration, bad_plan_message("not an address", route));
    }
  }
  const unsigned size = family == AF_INET ? 4 : 16;
  const auto length = slash == std::string::npos
                          ? std::optional<std::uint64_t>(size * 8)
                          : base::parse_number(std::string_view(route).substr(slash + 1), size * 8);
  if (!length) {
    throw Error(Status::kConfiguration, bad_plan_message("not a prefix length", route));
  }
  RouteMessage message = {};
  message.route.rtm_family = static_cast<unsigned char>(family);
  message.route.rtm_dst_len = static_cast<unsigned char>(*length);
  message.route.rtm_table = RT_TABLE_LOCAL;
  message.route.rtm_protocol = RTPROT_BOOT;
  message.route.rtm_scope = RT_SCOPE_HOST;
  message.route.rtm_type = RTN_LOCAL;
  message.destination_header.rta_type = RTA_DST;
  message.destination_header.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  std::memcpy(message.destination, &bytes, size);
  OutputAttribute output = {};
  output.header.rta_type = RTA_OIF;
  output.header.rta_len = RTA_LENGTH(sizeof output.interface);
  output.interface = kLoopback;
  const std::size_t used = offsetof(RouteMessage, destination) + size;
  message.header.nlmsg_type = RTM_NEWROUTE;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  message.header.nlmsg_len = static_cast<std::uint32_t>(used + sizeof output);
  std::string text(reinterpret_cast<const char*>(&message), used);
  text.append(reinterpret_cast<const char*>(&output), sizeof output);
  return text;
}

}  // namespace agentbox::box
