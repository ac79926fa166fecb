#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "launcher/egress/egress.h"
#include "launcher/egress/gate.h"
#include "launcher/egress/lookups.h"
#include "launcher/egress/quiet_thread.h"
#include "launcher/egress/refusals.h"
#include "launcher/egress/relay.h"
#include "launcher/egress/reports.h"

namespace agentbox::egress {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
using std::chrono::steady_clock;

namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::chrono::seconds kResolveTime{10};
constexpr std::chrono::seconds kDnsIdleTime{10};
// After a failed accept (no descriptor free), so as not to spin.
constexpr std::chrono::milliseconds kPause{50};
constexpr std::size_t kMostConnections = 512;
constexpr std::size_t kMostAddresses = 8;  // of one name, to be tried

// Two descriptors a connection, and at least half of what the process may have for its other work.
std::size_t connection_limit() {
  rlimit limit{};
  base::check(::getrlimit(RLIMIT_NOFILE, &limit), "read", "RLIMIT_NOFILE");
  return std::clamp<std::size_t>(limit.rlim_cur / 4, 16, kMostConnections);
}

std::optional<Address> address_of(const asio::ip::address& address) {
  if (address.is_v4()) {
    return Address::v4(address.to_v4().to_uint());
  }
  Address result;
  const auto bytes = address.to_v6().to_bytes();
  std::copy(bytes.begin(), bytes.end(), std::begin(result.bytes));
  return result;
}

// Where another thread leaves one value for a coroutine. Only the coroutine owns it: the timer may
// not outlive the io_context, and a look-up may.
template <typename T>
struct Mailbox {
  asio::steady_timer timer;
  std::optional<T> value;
};

template <typename T>
std::function<void(T)> sender(asio::io_context& context,
                              const std::shared_ptr<Mailbox<T>>& mailbox) {
  return [&context, weak = std::weak_ptr(mailbox)](T value) {
    asio::post(context, [weak, value = std::move(value)] {
      if (const auto open = weak.lock()) {
        open->value = value;
        open->timer.cancel();
      }
    });
  };
}

template <typename T>
asio::awaitable<std::optional<T>> receive(std::shared_ptr<Mailbox<T>> mailbox) {
  error_code cancelled;
  co_await mailbox->timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  co_return std::move(mailbox->value);
}

}  // namespace

struct Egress::Server {
  Server(const policy::NetworkRules& the_rules, std::vector<base::UniqueFd> sockets,
         std::function<void(const Connection&)> connected, Upstream the_upstream);
  ~Server();

  void adopt(const Listen& listen, base::UniqueFd socket);

  asio::awaitable<void> answer_datagrams(std::shared_ptr<udp::socket> socket);
  asio::awaitable<void> answer_stream(std::shared_ptr<tcp::socket> socket);
  asio::awaitable<void> accept(std::shared_ptr<tcp::acceptor> acceptor);
  asio::awaitable<void> serve(tcp::socket inside, std::shared_ptr<void> place);
  asio::awaitable<void> summarise();

  std::vector<std::uint8_t> reply_to(const Query& query);
  asio::awaitable<Resolution> look_up(std::string host);
  asio::awaitable<bool> recorded(Connection connection);
  void refuse(Connection connection);

  const policy::NetworkRules rules;
  const Upstream upstream;
  const std::size_t limit = connection_limit();
  NameTable names;
  Refusals refusals;
  Reports reports;
  // Below what its coroutines use: they are destroyed with it.
  asio::io_context context{1};
  Lookups lookups;
  std::size_t connections = 0;
  std::thread thread;
};

Egress::Server::Server(const policy::NetworkRules& the_rules, std::vector<base::UniqueFd> sockets,
                       std::function<void(const Connection&)> connected, Upstream the_upstream)
    : rules(the_rules),
      upstream(std::move(the_upstream)),
      reports(std::move(connected)),
      lookups(upstream.resolve) {
  const std::vector<Listen> wanted = listens(rules);
  if (wanted.size() != sockets.size()) {
    throw base::Error(base::Status::kFailed, "the box made " + std::to_string(sockets.size()) +
                                                 " network sockets where its policy needs " +
                                                 std::to_string(wanted.size()));
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    adopt(wanted[i], std::move(sockets[i]));
  }
  asio::co_spawn(context, summarise(), asio::detached);
  try {
    thread = quiet_thread([this] { context.run(); });
  } catch (const std::system_error& error) {
    throw base::SystemError("start", "the network thread", error.code().value());
  }
}

Egress::Server::~Server() {
  context.stop();
  if (thread.joinable()) {
    thread.join();
  }
  if (std::optional<Connection> rest = refusals.summary(steady_clock::now(), true)) {
    reports.add(std::move(*rest));
  }
  reports.finish();
}

void Egress::Server::adopt(const Listen& listen, base::UniqueFd socket) {
  const bool v6 = listen.address.find(':') != std::string::npos;
  error_code error;
  if (listen.kind == Listen::Kind::kDnsDatagram) {
    const auto datagrams = std::make_shared<udp::socket>(context);
    datagrams->assign(v6 ? udp::v6() : udp::v4(), socket.get(), error);
    if (!error) {
      static_cast<void>(socket.release());
      asio::co_spawn(context, answer_datagrams(datagrams), asio::detached);
    }
  } else {
    const auto acceptor = std::make_shared<tcp::acceptor>(context);
    acceptor->assign(v6 ? tcp::v6() : tcp::v4(), socket.get(), error);
    if (!error) {
      static_cast<void>(socket.release());
      asio::co_spawn(context, accept(acceptor), asio::detached);
    }
  }
  if (error) {
    throw base::SystemError("serve", with_port(listen.address, listen.port), error.value());
  }
}

std::vector<std::uint8_t> Egress::Server::reply_to(const Query& query) {
  const Reply reply = judge_query(rules, names, query);
  if (!reply.refusal.empty()) {
    refuse({query.name, false, reply.refusal, reply.rule});
  }
  return answer(query, reply.code, reply.address);
}

asio::awaitable<void> Egress::Server::answer_datagrams(std::shared_ptr<udp::socket> socket) {
  std::array<std::uint8_t, kLongestQuery + 1> buffer;
  for (;;) {
    error_code error;
    udp::endpoint sender_address;
    const std::size_t got = co_await socket->async_receive_from(
        asio::buffer(buffer), sender_address, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      continue;  // an ICMP error of an earlier answer; the box's own affair
    }
    if (const std::optional<Query> query = parse_query({buffer.data(), got})) {
      const std::vector<std::uint8_t> message = reply_to(*query);
      socket->non_blocking(true, error);
      socket->send_to(asio::buffer(message), sender_address, 0, error);
    }
  }
}

asio::awaitable<void> Egress::Server::answer_stream(std::shared_ptr<tcp::socket> socket) {
  asio::steady_timer timer(context);
  for (;;) {
    // One time limit for each exchange, so that nobody holds a place by a byte now and then.
    timer.expires_after(kDnsIdleTime);
    timer.async_wait([weak = std::weak_ptr(socket)](const error_code& error) {
      if (const auto open = weak.lock(); open && !error) {
        error_code ignored;
        open->close(ignored);
      }
    });
    error_code error;
    std::array<std::uint8_t, 2> length{};
    co_await asio::async_read(*socket, asio::buffer(length),
                              asio::redirect_error(asio::use_awaitable, error));
    const std::size_t size = static_cast<std::size_t>(length[0]) << 8U | length[1];
    if (error || size > kLongestQuery) {
      co_return;
    }
    std::vector<std::uint8_t> message(size);
    co_await asio::async_read(*socket, asio::buffer(message),
                              asio::redirect_error(asio::use_awaitable, error));
    const std::optional<Query> query = error ? std::nullopt : parse_query(message);
    if (!query) {
      co_return;
    }
    message = reply_to(*query);
    const auto answer_size = static_cast<std::uint16_t>(message.size());
    message.insert(message.begin(), {static_cast<std::uint8_t>(answer_size >> 8U),
                                     static_cast<std::uint8_t>(answer_size & 0xffU)});
    co_await asio::async_write(*socket, asio::buffer(message),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      co_return;
    }
  }
}

asio::awaitable<void> Egress::Server::accept(std::shared_ptr<tcp::acceptor> acceptor) {
  asio::steady_timer pause(context);
  for (;;) {
    error_code error;
    tcp::socket inside =
        co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      pause.expires_after(kPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (connections >= limit) {
      reset(inside);
      refuse({"*", false, std::to_string(limit) + " connections are open, no more are taken",
              nullptr});
      continue;
    }
    ++connections;
    // Given back by whoever lets go last: a relay lives on in its two directions.
    std::shared_ptr<void> place(nullptr, [this](void*) { --connections; });
    asio::co_spawn(context, serve(std::move(inside), std::move(place)), asio::detached);
  }
}

asio::awaitable<void> Egress::Server::serve(tcp::socket inside, std::shared_ptr<void> place) {
  error_code error;
  const tcp::endpoint local = inside.local_endpoint(error);
  const std::optional<Address> address = address_of(local.address());
  if (error || !address) {
    co_return;
  }
  if (local.port() == kDnsPort && address->is_loopback()) {
    co_await answer_stream(std::make_shared<tcp::socket>(std::move(inside)));
    co_return;
  }
  Target target = judge_target(rules, names, *address, local.port());
  Connection record{target.subject, false, target.refusal, target.rule};
  std::vector<Address> addresses = std::move(target.addresses);
  if (record.reason.empty() && target.kind == Target::Kind::kName) {
    // Asked only now: a name that the policy does not allow is never sent to anyone.
    const Resolution resolution = co_await look_up(target.host);
    if (!resolution.error.empty()) {
      record.reason = "cannot resolve it: " + resolution.error;
    } else {
      Choice choice = choose(rules, resolution.addresses, local.port(), upstream.is_own);
      addresses = std::move(choice.addresses);
      record.reason = std::move(choice.refusal);
      record.rule = choice.rule != nullptr ? choice.rule : target.rule;
    }
  }
  if (record.reason.empty()) {
    addresses.resize(std::min(addresses.size(), kMostAddresses));
    Dialled dialled = co_await dial(std::move(addresses), local.port(), upstream.route);
    record.reason = dialled.error;
    if (dialled.error.empty()) {
      record.allowed = true;
      record.reason = dialled.reached.text();
      if (co_await recorded(std::move(record))) {
        auto pair = std::make_shared<Pair>(
            Pair{std::move(inside), std::move(dialled.socket), std::move(place)});
        co_await relay(std::move(pair));
      } else {
        reset(inside);
      }
      co_return;
    }
  }
  refuse(std::move(record));
  reset(inside);
}

asio::awaitable<Resolution> Egress::Server::look_up(std::string host) {
  const auto mailbox =
      std::make_shared<Mailbox<Resolution>>(Mailbox<Resolution>{asio::steady_timer(context), {}});
  mailbox->timer.expires_after(kResolveTime);
  lookups.start(std::move(host), sender(context, mailbox));
  std::optional<Resolution> resolution = co_await receive(mailbox);
  co_return resolution ? std::move(*resolution) : Resolution{{}, "no answer in time"};
}

// Waits for the session to have written the record; false if it could not.
asio::awaitable<bool> Egress::Server::recorded(Connection connection) {
  const auto mailbox =
      std::make_shared<Mailbox<bool>>(Mailbox<bool>{asio::steady_timer(context), {}});
  mailbox->timer.expires_at(steady_clock::time_point::max());
  reports.add(std::move(connection), sender(context, mailbox));
  co_return (co_await receive(mailbox)).value_or(false);
}

void Egress::Server::refuse(Connection connection) {
  if (refusals.admit(connection, steady_clock::now())) {
    reports.add(std::move(connection));
  }
}

asio::awaitable<void> Egress::Server::summarise() {
  asio::steady_timer timer(context);
  for (;;) {
    timer.expires_after(Refusals::kWindow);
    error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (std::optional<Connection> rest = refusals.summary(steady_clock::now())) {
      reports.add(std::move(*rest));
    }
  }
}

Egress::Egress(const policy::NetworkRules& rules, std::vector<base::UniqueFd> sockets,
               std::function<void(const Connection&)> connected)
    : Egress(rules, std::move(sockets), std::move(connected), host_upstream()) {}

Egress::Egress(const policy::NetworkRules& rules, std::vector<base::UniqueFd> sockets,
               std::function<void(const Connection&)> connected, Upstream upstream) {
  if (!rules.empty() || !sockets.empty()) {
    server_ = std::make_unique<Server>(rules, std::move(sockets), std::move(connected),
                                       std::move(upstream));
  }
}

Egress::~Egress() = default;

}  // namespace agentbox::egress
