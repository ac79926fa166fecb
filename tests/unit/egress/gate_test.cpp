#include "launcher/egress/gate.h"

#include <gtest/gtest.h>

namespace agentbox::egress {
namespace {

policy::NetworkRules rules_of(const std::vector<std::string>& entries) {
  std::vector<policy::Pattern> patterns;
  for (const std::string& entry : entries) {
    patterns.push_back({entry, {"agentbox.json", 1, 1}});
  }
  return policy::NetworkRules(patterns);
}

Address address(const std::string& text) { return *Address::parse(text); }

Query query_for(const std::string& name, std::uint16_t type = kTypeA) {
  Query query;
  query.name = name;
  query.type = type;
  return query;
}

std::vector<std::string> chosen(const policy::NetworkRules& rules,
                                const std::vector<std::string>& texts) {
  std::vector<Address> resolved;
  for (const std::string& text : texts) {
    resolved.push_back(address(text));
  }
  std::vector<std::string> result;
  const auto is_own = [](const Address& each) { return each == address("203.0.114.9"); };
  for (const Address& each : choose(rules, resolved, 443, is_own).addresses) {
    result.push_back(each.text());
  }
  return result;
}

TEST(JudgeQuery, AnswersAllowedNamesWithOneStableAddress) {
  const policy::NetworkRules rules = rules_of({"example.com:443", "*.example.org:443"});
  NameTable names;
  const Reply first = judge_query(rules, names, query_for("example.com"));
  ASSERT_TRUE(first.address);
  EXPECT_EQ(first.address->text(), "198.18.0.1");
  EXPECT_EQ(judge_query(rules, names, query_for("a.example.org")).address->text(), "198.18.0.2");
  EXPECT_EQ(judge_query(rules, names, query_for("EXAMPLE.com")).address, first.address);
  EXPECT_EQ(*names.find(*first.address), "example.com");
}

TEST(JudgeQuery, HasNothingButAddressesForAllowedNames) {
  const policy::NetworkRules rules = rules_of({"example.com:443"});
  NameTable names;
  for (const std::uint16_t type : {kTypeAaaa, std::uint16_t{65}, std::uint16_t{16}}) {
    const Reply reply = judge_query(rules, names, query_for("example.com", type));
    EXPECT_EQ(reply.code, ResponseCode::kNoError);
    EXPECT_FALSE(reply.address);
    EXPECT_EQ(reply.refusal, "");
  }
}

TEST(JudgeQuery, RefusesEverythingElse) {
  const policy::NetworkRules rules =
      rules_of({"example.com:443", "*.example.org:443", "!bad.example.org:443"});
  NameTable names;
  for (const char* name :
       {"evil.test", "evilexample.com", "example.com.evil.test", "sub.example.com", "example.org",
        "evilexample.org", "bad.example.org", "a\\046example.org", "example.com\\000", "",
        "\\195\\169.example.org", "93.184.216.34"}) {
    const Reply reply = judge_query(rules, names, query_for(name));
    EXPECT_EQ(reply.code, ResponseCode::kRefused) << name;
    EXPECT_FALSE(reply.address);
    EXPECT_NE(reply.refusal, "") << name;
  }
  EXPECT_EQ(names.find(address("198.18.0.1")), nullptr);
}

TEST(JudgeQuery, KnowsLocalhostItself) {
  const policy::NetworkRules rules = rules_of({"example.com:443"});
  NameTable names;
  EXPECT_EQ(judge_query(rules, names, query_for("localhost")).address, address("127.0.0.1"));
  EXPECT_EQ(judge_query(rules, names, query_for("localhost", kTypeAaaa)).address, address("::1"));
}

TEST(JudgeQuery, BoundsTheNamesOfAWildcard) {
  const policy::NetworkRules rules = rules_of({"*.a.test:443", "*.b.test:443", "c.test:443"});
  NameTable names;
  for (std::size_t i = 0; i < kNamesPerWildcard; ++i) {
    EXPECT_TRUE(judge_query(rules, names, query_for(std::to_string(i) + ".a.test")).address);
  }
  const Reply full = judge_query(rules, names, query_for("more.a.test"));
  EXPECT_EQ(full.code, ResponseCode::kRefused);
  EXPECT_NE(full.refusal.find("*.a.test"), std::string::npos);
  EXPECT_TRUE(judge_query(rules, names, query_for("0.a.test")).address);
  EXPECT_TRUE(judge_query(rules, names, query_for("more.b.test")).address);
  EXPECT_TRUE(judge_query(rules, names, query_for("c.test")).address);
}

TEST(JudgeTarget, NamesTheHostAgain) {
  const policy::NetworkRules rules =
      rules_of({"example.com:443", "other.test:22", "192.0.2.7:22", "localhost:5432"});
  NameTable names;
  const Address inner = *judge_query(rules, names, query_for("example.com")).address;
  const Target name = judge_target(rules, names, inner, 443);
  EXPECT_EQ(name.kind, Target::Kind::kName);
  EXPECT_EQ(name.host, "example.com");
  EXPECT_EQ(name.refusal, "");
  ASSERT_NE(name.rule, nullptr);
  EXPECT_EQ(name.rule->source.text, "example.com:443");
  EXPECT_NE(judge_target(rules, names, inner, 22).refusal, "");
  EXPECT_NE(judge_target(rules, names, address("198.18.0.2"), 443).refusal, "");
  EXPECT_EQ(judge_target(rules, names, address("192.0.2.7"), 22).refusal, "");
  EXPECT_NE(judge_target(rules, names, address("192.0.2.7"), 443).refusal, "");
  EXPECT_NE(judge_target(rules, names, address("192.0.2.8"), 22).refusal, "");
  EXPECT_EQ(judge_target(rules, names, address("127.0.0.1"), 5432).refusal, "");
  EXPECT_EQ(judge_target(rules, names, address("::1"), 5432).kind, Target::Kind::kLocalhost);
  EXPECT_NE(judge_target(rules, names, address("127.0.0.1"), 443).refusal, "");
}

TEST(JudgeTarget, LoopbackAddressesStandForThemselves) {
  const policy::NetworkRules rules = rules_of({"127.0.1.1:5432", "localhost:80"});
  const NameTable names;
  const Target exact = judge_target(rules, names, address("127.0.1.1"), 5432);
  EXPECT_EQ(exact.refusal, "");
  EXPECT_EQ(exact.addresses, std::vector{address("127.0.1.1")});
  EXPECT_NE(judge_target(rules, names, address("127.0.0.1"), 5432).refusal, "");
  EXPECT_EQ(judge_target(rules, names, address("127.0.0.1"), 80).addresses,
            (std::vector{address("127.0.0.1"), address("::1")}));
}

TEST(JudgeTarget, EmptyRulesAllowNothing) {
  const NameTable names;
  for (const char* text : {"127.0.0.1", "198.18.0.1", "192.0.2.1", "2001:db8::1"}) {
    EXPECT_NE(judge_target(policy::NetworkRules(), names, address(text), 443).refusal, "");
  }
}

TEST(Choose, LeavesOutWhatIsLocal) {
  const policy::NetworkRules rules = rules_of({"example.com:443"});
  EXPECT_EQ(chosen(rules, {"93.184.216.34", "2606:2800:220::1"}),
            (std::vector<std::string>{"93.184.216.34", "2606:2800:220::1"}));
  EXPECT_EQ(chosen(rules, {"10.0.0.1", "93.184.216.34", "::1"}),
            std::vector<std::string>{"93.184.216.34"});
  for (const char* text : {"127.0.0.1",
                           "127.9.9.9",
                           "0.0.0.0",
                           "10.0.0.1",
                           "172.16.0.1",
                           "192.168.1.1",
                           "169.254.169.254",
                           "100.100.100.200",
                           "224.0.0.1",
                           "255.255.255.255",
                           "198.18.0.1",
                           "::",
                           "::1",
                           "fe80::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "::ffff:10.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::10.0.0.1",
                           "64:ff9b::169.254.169.254",
                           "2002:a00:1::",
                           "203.0.114.9"}) {
    EXPECT_TRUE(chosen(rules, {text}).empty()) << text;
  }
}

TEST(Choose, TakesALocalAddressThatThePolicyNames) {
  const policy::NetworkRules rules = rules_of({"example.com:443", "10.1.0.0/16:443"});
  EXPECT_EQ(chosen(rules, {"10.1.2.3"}), std::vector<std::string>{"10.1.2.3"});
  EXPECT_TRUE(chosen(rules, {"10.2.0.1"}).empty());
  EXPECT_TRUE(chosen(rules_of({"example.com:443", "10.1.0.0/16:80"}), {"10.1.2.3"}).empty());
}

TEST(Choose, LetsADeniedAddressWin) {
  const policy::NetworkRules rules =
      rules_of({"example.com:443", "93.184.216.0/24:443", "!93.184.216.34:443"});
  EXPECT_TRUE(chosen(rules, {"93.184.216.34"}).empty());
  EXPECT_EQ(chosen(rules, {"93.184.216.35"}), std::vector<std::string>{"93.184.216.35"});
}

}  // namespace
}  // namespace agentbox::egress
