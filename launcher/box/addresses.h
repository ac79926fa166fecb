// The plan's addresses and routes, in the kernel's form. Runs before the clone.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace agentbox::box {

// "box plan: WHAT: VALUE", with the value made printable.
std::string bad_plan_message(std::string_view what, std::string_view value);

// An IPv4 or IPv6 address with its port. Throws base::Error (kConfiguration) for anything else.
sockaddr_storage socket_address(const std::string& address, std::uint16_t port);

// The rtnetlink(7) message that makes all of a prefix ("198.18.0.0/15") an address of the loopback
// interface itself. Throws base::Error (kConfiguration).
std::string local_route_message(const std::string& route);

}  // namespace agentbox::box
