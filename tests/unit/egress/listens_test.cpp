#include <gtest/gtest.h>

#include "base/error.h"
#include "launcher/egress/address.h"
#include "launcher/egress/egress.h"

namespace agentbox::egress {
namespace {

policy::NetworkRules rules_of(const std::vector<std::string>& entries) {
  std::vector<policy::Pattern> patterns;
  for (const std::string& entry : entries) {
    patterns.push_back({entry, {"agentbox.json", 1, 1}});
  }
  return policy::NetworkRules(patterns);
}

std::vector<std::string> texts(const std::vector<std::string>& entries) {
  std::vector<std::string> result;
  for (const Listen& listen : listens(rules_of(entries))) {
    constexpr const char* kKinds[] = {"udp ", "dns ", "named ", "localhost "};
    result.push_back(kKinds[static_cast<int>(listen.kind)] +
                     with_port(listen.address, listen.port));
  }
  return result;
}

using Texts = std::vector<std::string>;

TEST(Listens, NothingForNoRules) {
  EXPECT_TRUE(listens(policy::NetworkRules()).empty());
  EXPECT_TRUE(local_routes(policy::NetworkRules()).empty());
}

TEST(Listens, OneForEachPort) {
  EXPECT_EQ(
      texts({"a.test:443", "*.b.test:443", "192.0.2.7:22"}),
      (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53", "named 0.0.0.0:22", "named 0.0.0.0:443"}));
}

TEST(Listens, LocalhostOnBothFamilies) {
  EXPECT_EQ(texts({"localhost:5432"}), (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53",
                                              "localhost 127.0.0.1:5432", "localhost [::1]:5432"}));
}

TEST(Listens, LoopbackAddressesAsTheyAreNamed) {
  EXPECT_EQ(texts({"127.0.0.1:5432"}),
            (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53", "localhost 127.0.0.1:5432"}));
  EXPECT_EQ(texts({"[::1]:5432"}),
            (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53", "localhost [::1]:5432"}));
  EXPECT_EQ(texts({"127.0.1.1:5432"}),
            (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53", "localhost 0.0.0.0:5432"}));
}

TEST(Listens, NeverTwoThatOverlap) {
  EXPECT_EQ(
      texts({"localhost:5432", "db.test:5432", "[2001:db8::1]:5432"}),
      (Texts{"udp 127.0.0.1:53", "dns 127.0.0.1:53", "named 0.0.0.0:5432", "named [::]:5432"}));
  EXPECT_EQ(texts({"dns.test:53"}), (Texts{"udp 127.0.0.1:53", "dns 0.0.0.0:53"}));
}

TEST(Listens, LeavesTheStubItsPort) {
  try {
    listens(rules_of({"localhost:53"}));
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.status(), base::Status::kConfiguration);
    EXPECT_NE(error.hint(), "");
  }
}

TEST(LocalRoutes, AreTheNamesRangeAndTheNamedAddresses) {
  EXPECT_EQ(local_routes(rules_of({"a.test:443"})), Texts{"198.18.0.0/15"});
  EXPECT_EQ(local_routes(
                rules_of({"192.0.2.7:22", "192.0.2.7:80", "[2001:db8::1]:443", "10.1.0.0/16:443"})),
            (Texts{"198.18.0.0/15", "192.0.2.7/32", "2001:db8::1/128", "10.1.0.0/16"}));
}

}  // namespace
}  // namespace agentbox::egress
