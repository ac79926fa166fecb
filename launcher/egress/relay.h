// Carries bytes between a connection in a box and its counterpart outside. Boost.Asio; include it
// from .cpp files only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launcher/egress/address.h"

namespace agentbox::egress {

// All attempts to reach one host together take no longer than this.
inline constexpr std::chrono::seconds kDialTime{10};

boost::asio::ip::tcp::endpoint endpoint_of(const Address& address, std::uint16_t port);

// Tries the addresses in order, each with its share of what is left of kDialTime, so that a dead
// IPv6 route leaves time for IPv4. On success `reached` is the address, and the socket is open;
// else `error` says why the last one failed.
struct Dialled {
  boost::asio::ip::tcp::socket socket;
  Address reached;
  std::string error;
};
using Route = std::function<std::pair<Address, std::uint16_t>(const Address&, std::uint16_t)>;
boost::asio::awaitable<Dialled> dial(std::vector<Address> addresses, std::uint16_t port,
                                     Route route);

// Closes with RST instead of FIN, so that the program sees a failure and not an empty answer.
void reset(boost::asio::ip::tcp::socket& socket);

struct Pair {
  boost::asio::ip::tcp::socket inside, outside;
  std::shared_ptr<void> place;  // held as long as the pair lives
};

// Both directions, each until its end: a half-closed connection goes on the other way, a reset is
// passed on as one. What is read is written before more is read, so a slow reader slows the sender
// down and at most one buffer a direction is held; an idle connection holds none, and may idle for
// ever (event streams do). Returns when the first direction is over; the pair lives on in the
// other.
boost::asio::awaitable<void> relay(std::shared_ptr<Pair> pair);

}  // namespace agentbox::egress
