// A small internet in namespaces, for tests of the way out of a box: no packet leaves the machine,
// and names and addresses are whatever a test says.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/egress/egress.h"
#include "policy/network_rules.h"

namespace agentbox::egress::test {

// Puts the (still single-threaded) process into user, mount and network namespaces that play the
// host: lo with addresses that stand for the internet and for private networks alike, a resolver
// configuration that points to 127.0.0.1. Throws base::Error.
void become_host();
inline constexpr char kPublicAddress[] = "93.184.216.34";       // routed to lo
inline constexpr char kPublicAddressV6[] = "2606:2800:220::1";  // routed to lo
inline constexpr char kOwnAddress[] = "192.88.0.1";             // an address of the "host" itself

// The host's name server at 127.0.0.1:53. Unknown names do not exist.
class NameServer {
 public:
  NameServer();
  ~NameServer();
  // Consecutive look-ups of one name and family get consecutive addresses, the last one for ever.
  void add(const std::string& name, const std::vector<std::string>& addresses);
  // Queries for the name get no answer until it is added.
  void withhold(const std::string& name);
  std::set<std::string> asked() const;

 private:
  void serve();
  struct Entry {
    std::vector<std::string> v4, v6;
    std::size_t next_v4 = 0, next_v6 = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> withheld_, asked_;
  base::UniqueFd socket_;
  std::thread thread_;
};

// A listener of the host. It answers an HTTP request with its text, and echoes everything else
// until the other side has ended.
class Service {
 public:
  // Port 0: any free one.
  Service(const std::string& address, std::uint16_t port, std::string text = "canary");
  ~Service();
  std::uint16_t port() const { return port_; }
  unsigned connections() const { return connections_; }

 private:
  void accept();
  void serve(base::UniqueFd connection) const;
  std::string text_;
  std::uint16_t port_ = 0;
  base::UniqueFd socket_;
  std::atomic<unsigned> connections_ = 0;
  std::vector<std::thread> clients_;
  std::thread thread_;
};

struct Result {
  int status = 0;      // exit status, 128 + N for a signal
  std::string output;  // both streams
};

// Runs a program in the host's namespaces.
Result run_on_host(const std::vector<std::string>& arguments);

// The namespaces of one box, with the sockets and routes that its rules need, and an Egress.
class Box {
 public:
  explicit Box(const std::vector<std::string>& network,
               std::function<void(const Connection&)> connected = nullptr);
  ~Box();

  Result run(const std::vector<std::string>& arguments) const;
  Result python(const std::string& script) const { return run({"python3", "-c", script}); }

  // All records so far, once one of them holds `part`; the relay reports from a thread of its own.
  // Gives up after 20 seconds.
  std::vector<std::string> records_with(const std::string& part) const;
  // Ends the Egress, so that nothing is recorded after it; all records.
  std::vector<std::string> finish();

 private:
  void record(const Connection& connection);
  std::function<void(const Connection&)> connected_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> records_;
  pid_t holder_ = -1;  // a process that keeps the namespaces
  base::UniqueFd user_namespace_, network_namespace_;
  std::unique_ptr<Egress> egress_;
};

}  // namespace agentbox::egress::test
