#include "launcher/egress/relay.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace agentbox::egress {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kBuffer = std::size_t{64} * 1024;
// Buffers copied before other connections have their turn.
constexpr unsigned kTurn = 16;

void tune(tcp::socket& socket) {
  error_code ignored;  // a socket that cannot be tuned still works
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.non_blocking(true, ignored);
}

void abort(Pair& pair) {
  reset(pair.inside);
  reset(pair.outside);
}

// A failed read resets both ends. A failed write only ends this direction: what the other side said
// before it closed ("413 Payload Too Large") may still have to be delivered.
asio::awaitable<void> pump(std::shared_ptr<Pair> pair, tcp::socket& from, tcp::socket& to) {
  for (;;) {
    error_code error;
    co_await from.async_wait(tcp::socket::wait_read,
                             asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      abort(*pair);
      co_return;
    }
    const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
    for (unsigned turn = 0; turn < kTurn; ++turn) {
      const std::size_t got = from.read_some(asio::buffer(buffer.get(), kBuffer), error);
      if (error == asio::error::would_block) {
        break;
      }
      if (error == asio::error::eof) {
        to.shutdown(tcp::socket::shutdown_send, error);
        co_return;
      }
      if (error) {
        abort(*pair);
        co_return;
      }
      std::size_t sent = to.write_some(asio::buffer(buffer.get(), got), error);
      if (error == asio::error::would_block) {
        sent = 0;
        error.clear();
      }
      if (!error && sent < got) {
        co_await asio::async_write(to, asio::buffer(buffer.get() + sent, got - sent),
                                   asio::redirect_error(asio::use_awaitable, error));
      }
      if (error) {
        co_return;
      }
    }
  }
}

}  // namespace

tcp::endpoint endpoint_of(const Address& address, std::uint16_t port) {
  if (address.is_v4()) {
    return {asio::ip::address_v4(address.v4_host_order()), port};
  }
  asio::ip::address_v6::bytes_type bytes;
  std::copy(std::begin(address.bytes), std::end(address.bytes), bytes.begin());
  return {asio::ip::address_v6(bytes), port};
}

asio::awaitable<Dialled> dial(std::vector<Address> addresses, std::uint16_t port, Route route) {
  struct Attempt {
    tcp::socket socket;
    bool done = false;
    bool late = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto end = std::chrono::steady_clock::now() + kDialTime;
  std::string failure;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // The timer's handler can be on its way when the connection is there: it owns what it touches.
    const auto attempt = std::make_shared<Attempt>(Attempt{tcp::socket(executor)});
    asio::steady_timer timer(executor);
    const auto left = end - std::chrono::steady_clock::now();
    timer.expires_after(left / static_cast<long>(addresses.size() - i));
    timer.async_wait([attempt](const error_code& error) {
      if (!error && !attempt->done) {
        attempt->late = true;
        error_code ignored;
        attempt->socket.close(ignored);
      }
    });
    const auto [address, number] = route(addresses[i], port);
    error_code error;
    co_await attempt->socket.async_connect(endpoint_of(address, number),
                                           asio::redirect_error(asio::use_awaitable, error));
    attempt->done = true;
    if (!error && attempt->socket.is_open()) {
      tune(attempt->socket);
      co_return Dialled{std::move(attempt->socket), addresses[i], {}};
    }
    failure = "cannot connect to " + addresses[i].text() + ": " +
              (attempt->late ? std::string("no answer in time") : error.message());
  }
  co_return Dialled{tcp::socket(executor), {}, std::move(failure)};
}

void reset(tcp::socket& socket) {
  error_code ignored;  // closed is closed
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

asio::awaitable<void> relay(std::shared_ptr<Pair> pair) {
  tune(pair->inside);
  const auto executor = co_await asio::this_coro::executor;
  Pair& ends = *pair;
  asio::co_spawn(executor, pump(pair, ends.outside, ends.inside), asio::detached);
  co_await pump(std::move(pair), ends.inside, ends.outside);
}

}  // namespace agentbox::egress
