#include "tests/integration/egress/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "launcher/egress/address.h"
#include "launcher/egress/dns_message.h"

namespace agentbox::egress::test {

using base::check;
using base::UniqueFd;

namespace {

void write_text(const std::string& path, const std::string& text) {
  base::write_all(base::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT, 0644).get(), text);
}

void enter_namespaces(int flags) {
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  check(::unshare(CLONE_NEWUSER | flags), "unshare", "a user namespace");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", "0 " + uid + " 1");
  write_text("/proc/self/gid_map", "0 " + gid + " 1");
}

void ip(const std::string& arguments) {
  const std::string command = "ip " + arguments;
  if (::system(command.c_str()) != 0) {
    throw base::Error(base::Status::kFailed, "failed: " + command);
  }
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  SocketAddress(const std::string& text, std::uint16_t port) {
    if (text.find(':') != std::string::npos) {
      sockaddr_in6 six{};
      six.sin6_family = AF_INET6;
      six.sin6_port = htons(port);
      ::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr);
      length = sizeof(six);
      std::memcpy(&storage, &six, length);
    } else {
      sockaddr_in four{};
      four.sin_family = AF_INET;
      four.sin_port = htons(port);
      ::inet_pton(AF_INET, text.c_str(), &four.sin_addr);
      length = sizeof(four);
      std::memcpy(&storage, &four, length);
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

UniqueFd bound_socket(const std::string& address, std::uint16_t port, int type) {
  const SocketAddress where(address, port);
  UniqueFd fd(static_cast<int>(
      check(::socket(where.storage.ss_family, type | SOCK_CLOEXEC, 0), "open", "a socket")));
  const int on = 1;
  check(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "set", "SO_REUSEADDR");
  if (where.storage.ss_family == AF_INET6) {
    check(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), "set", "IPV6_V6ONLY");
    // Unlike IPv4, IPv6 does not take a routed prefix for a local address when it binds.
    check(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)), "set",
          "IPV6_FREEBIND");
  }
  check(::bind(fd.get(), where.get(), where.length), "bind", address + ' ' + std::to_string(port));
  if (type == SOCK_STREAM) {
    check(::listen(fd.get(), 1024), "listen", address);
  }
  return fd;
}

void send_descriptors(int channel, const std::vector<UniqueFd>& fds) {
  for (const UniqueFd& fd : fds) {
    char byte = 'x';
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int value = fd.get();
    std::memcpy(CMSG_DATA(header), &value, sizeof(value));
    check(::sendmsg(channel, &message, 0), "send", "a descriptor");
  }
}

UniqueFd receive_descriptor(int channel) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (check(::recvmsg(channel, &message, MSG_CMSG_CLOEXEC), "receive", "a descriptor") != 1 ||
      CMSG_FIRSTHDR(&message) == nullptr) {
    throw base::Error(base::Status::kFailed, "the box's set-up failed; see above");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return UniqueFd(fd);
}

Result run(const std::vector<std::string>& arguments, int user, int network) {
  std::vector<std::string> limited = {"timeout", "60"};
  limited.insert(limited.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : limited) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "make", "a pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = static_cast<pid_t>(check(::fork(), "fork"));
  if (child == 0) {
    if ((user >= 0 && ::setns(user, CLONE_NEWUSER) != 0) ||
        (network >= 0 && ::setns(network, CLONE_NEWNET) != 0)) {
      ::_exit(125);
    }
    ::dup2(writer.get(), STDOUT_FILENO);
    ::dup2(writer.get(), STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  writer.reset();
  Result result;
  result.output = base::read_all(reader.get(), std::size_t{64} << 20U, arguments[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

policy::NetworkRules rules_of(const std::vector<std::string>& network) {
  std::vector<policy::Pattern> patterns;
  for (const std::string& entry : network) {
    patterns.push_back({entry, {"test", 1, 1}});
  }
  return policy::NetworkRules(patterns);
}

}  // namespace

void become_host() {
  enter_namespaces(CLONE_NEWNS | CLONE_NEWNET);
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private", "/");
  std::string directory = "/tmp/agentbox-egress-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    throw base::SystemError("make", directory, errno);
  }
  const std::array<std::pair<const char*, const char*>, 3> files = {{
      {"/etc/resolv.conf", kResolverConfiguration},
      {"/etc/nsswitch.conf", "hosts: files dns\n"},
      {"/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
  }};
  for (const auto& [path, text] : files) {
    const std::string source = directory + "/file";
    write_text(source, text);
    check(::mount(source.c_str(), path, nullptr, MS_BIND, nullptr), "bind", path);
    ::unlink(source.c_str());
  }
  ::rmdir(directory.c_str());

  ip("link set lo up");
  ip(std::string("addr add ") + kOwnAddress + "/32 dev lo");
  ip("addr add 2001:db8:ffff::1/128 dev lo nodad");
  // The source address tells these from the host's own: what is_own() looks at.
  for (const char* prefix : {"93.184.216.0/24", "10.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"}) {
    ip(std::string("route add local ") + prefix + " dev lo src 127.0.0.1");
  }
  for (const char* prefix : {"2606:2800:220::/48", "64:ff9b::/96", "fd00:ec2::/32"}) {
    ip(std::string("-6 route add local ") + prefix + " dev lo src 2001:db8:ffff::1");
  }
}

NameServer::NameServer() : socket_(bound_socket("127.0.0.1", 53, SOCK_DGRAM)) {
  thread_ = std::thread([this] { serve(); });
}

NameServer::~NameServer() {
  ::shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
}

void NameServer::add(const std::string& name, const std::vector<std::string>& addresses) {
  const std::lock_guard lock(mutex_);
  Entry entry;
  for (const std::string& address : addresses) {
    (address.find(':') == std::string::npos ? entry.v4 : entry.v6).push_back(address);
  }
  entries_[name] = entry;
  withheld_.erase(name);
}

void NameServer::withhold(const std::string& name) {
  const std::lock_guard lock(mutex_);
  withheld_.insert(name);
}

std::set<std::string> NameServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void NameServer::serve() {
  for (;;) {
    std::array<std::uint8_t, 2048> buffer{};
    sockaddr_in client{};
    socklen_t length = sizeof(client);
    const ssize_t got = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&client), &length);
    if (got <= 0) {
      return;
    }
    const std::optional<Query> query = parse_query({buffer.data(), static_cast<std::size_t>(got)});
    if (!query) {
      continue;
    }
    const std::lock_guard lock(mutex_);
    asked_.insert(query->name);
    if (withheld_.contains(query->name)) {
      continue;
    }
    constexpr auto kNoSuchName = static_cast<ResponseCode>(3);
    std::vector<std::uint8_t> message = answer(*query, kNoSuchName);
    if (const auto found = entries_.find(query->name); found != entries_.end()) {
      Entry& entry = found->second;
      const bool v6 = query->type == kTypeAaaa;
      const std::vector<std::string>& all = v6 ? entry.v6 : entry.v4;
      std::size_t& next = v6 ? entry.next_v6 : entry.next_v4;
      message = answer(*query, ResponseCode::kNoError);
      if (!all.empty() && (v6 || query->type == kTypeA)) {
        const std::string& text = all[std::min(next++, all.size() - 1)];
        message = answer(*query, ResponseCode::kNoError, Address::parse(text));
        if (v6 && Address::parse(text)->is_v4()) {
          // A mapped address in an AAAA record: all sixteen bytes of it.
          message = answer(*query, ResponseCode::kNoError, Address::parse("::1"));
          const Address mapped = *Address::parse(text);
          std::copy(std::begin(mapped.bytes), std::end(mapped.bytes), message.end() - 16);
        }
      }
    }
    ::sendto(socket_.get(), message.data(), message.size(), 0,
             reinterpret_cast<const sockaddr*>(&client), length);
  }
}

Service::Service(const std::string& address, std::uint16_t port, std::string text)
    : text_(std::move(text)), socket_(bound_socket(address, port, SOCK_STREAM)) {
  sockaddr_in6 bound{};  // the port is at the same place in both families
  socklen_t length = sizeof(bound);
  check(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &length), "name",
        address);
  port_ = ntohs(bound.sin6_port);
  thread_ = std::thread([this] { accept(); });
}

Service::~Service() {
  ::shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
  for (std::thread& client : clients_) {
    client.join();
  }
}

void Service::accept() {
  for (;;) {
    const int fd = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      return;
    }
    ++connections_;
    clients_.emplace_back([this, fd] { serve(UniqueFd(fd)); });
  }
}

void Service::serve(UniqueFd connection) const {
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      ::shutdown(connection.get(), SHUT_WR);
      return;
    }
    std::string_view data(buffer.data(), static_cast<std::size_t>(got));
    if (data.starts_with("GET ")) {
      const std::string reply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                                std::to_string(text_.size()) + "\r\n\r\n" + text_;
      ::send(connection.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      return;
    }
    while (!data.empty()) {
      const ssize_t sent = ::send(connection.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;
      }
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
}

Result run_on_host(const std::vector<std::string>& arguments) { return run(arguments, -1, -1); }

Box::Box(const std::vector<std::string>& network, std::function<void(const Connection&)> connected)
    : connected_(std::move(connected)) {
  const policy::NetworkRules rules = rules_of(network);
  const std::vector<Listen> wanted = listens(rules);
  const std::vector<std::string> routes = local_routes(rules);
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "make", "a channel");
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  holder_ = static_cast<pid_t>(check(::fork(), "fork"));
  if (holder_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ours.reset();
    try {
      enter_namespaces(CLONE_NEWNET);
      ip("link set lo up");
      for (const std::string& route : routes) {
        ip(std::string(route.find(':') == std::string::npos ? "" : "-6 ") + "route add local " +
           route + " dev lo");
      }
      std::vector<UniqueFd> made;
      made.push_back(base::open_at(AT_FDCWD, "/proc/self/ns/user", O_RDONLY));
      made.push_back(base::open_at(AT_FDCWD, "/proc/self/ns/net", O_RDONLY));
      for (const Listen& listen : wanted) {
        made.push_back(
            bound_socket(listen.address, listen.port,
                         listen.kind == Listen::Kind::kDnsDatagram ? SOCK_DGRAM : SOCK_STREAM));
      }
      send_descriptors(theirs.get(), made);
    } catch (const base::Error& error) {
      ::dprintf(STDERR_FILENO, "%s\n", error.what());
      ::_exit(1);
    }
    ::pause();
    ::_exit(0);
  }
  theirs.reset();
  user_namespace_ = receive_descriptor(ours.get());
  network_namespace_ = receive_descriptor(ours.get());
  std::vector<UniqueFd> sockets;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    sockets.push_back(receive_descriptor(ours.get()));
  }
  egress_ = std::make_unique<Egress>(rules, std::move(sockets),
                                     [this](const Connection& each) { record(each); });
}

Box::~Box() {
  egress_.reset();
  if (holder_ > 0) {
    ::kill(holder_, SIGKILL);
    ::waitpid(holder_, nullptr, 0);
  }
}

Result Box::run(const std::vector<std::string>& arguments) const {
  return test::run(arguments, user_namespace_.get(), network_namespace_.get());
}

void Box::record(const Connection& connection) {
  if (connected_) {
    connected_(connection);
  }
  const std::lock_guard lock(mutex_);
  records_.push_back(connection.subject + (connection.allowed ? " allowed " : " refused ") +
                     connection.reason);
  changed_.notify_all();
}

std::vector<std::string> Box::records_with(const std::string& part) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(20), [&] {
    return std::any_of(records_.begin(), records_.end(), [&](const std::string& record) {
      return record.find(part) != std::string::npos;
    });
  });
  return records_;
}

std::vector<std::string> Box::finish() {
  egress_.reset();
  const std::lock_guard lock(mutex_);
  return records_;
}

}  // namespace agentbox::egress::test
