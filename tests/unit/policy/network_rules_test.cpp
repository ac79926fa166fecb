#include "policy/network_rules.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "base/error.h"
#include "policy/address.h"

namespace agentbox::policy {
namespace {

Pattern entry(const std::string& text) { return {.text = text, .place = {"test", 1, 1}}; }

NetworkRules rules(const std::vector<std::string>& texts) {
  std::vector<Pattern> patterns;
  for (const std::string& text : texts) {
    patterns.push_back(entry(text));
  }
  return NetworkRules(patterns);
}

bool allows(const NetworkRules& rules, const std::string& host, std::uint16_t port) {
  const NetworkRule* rule = rules.judge_name(host, port);
  return rule != nullptr && !rule->deny;
}

struct Address {
  explicit Address(const std::string& text) {
    const AddressBytes parsed = address_bytes(text).value();
    std::memcpy(bytes, parsed.data(), sizeof bytes);
  }
  std::uint8_t bytes[16];
};

bool allows_address(const NetworkRules& rules, const std::string& text, std::uint16_t port) {
  const NetworkRule* rule = rules.judge_address(Address(text).bytes, port);
  return rule != nullptr && !rule->deny;
}

std::string refusal(const std::string& text) {
  try {
    parse_network_rule(entry(text));
  } catch (const base::Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "";
}

TEST(CanonicalHost, TakesHostNames) {
  EXPECT_EQ(canonical_host("Example.COM."), "example.com");
  EXPECT_EQ(canonical_host("a"), "a");
  EXPECT_EQ(canonical_host("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(canonical_host("3com.com"), "3com.com");
  EXPECT_EQ(canonical_host(std::string(63, 'a') + ".b"), std::string(63, 'a') + ".b");
}

TEST(CanonicalHost, RefusesEverythingElse) {
  for (const std::string& text : {std::string(""),
                                  std::string("."),
                                  std::string("a.."),
                                  std::string(".a"),
                                  std::string("a..b"),
                                  std::string("-a.b"),
                                  std::string("a-.b"),
                                  std::string("a_b.c"),
                                  std::string("a b"),
                                  std::string("a\tb"),
                                  std::string("allowed.test\0.evil.test", 23),
                                  std::string("a%00.b"),
                                  std::string("user@a.b"),
                                  std::string("a.b:443"),
                                  std::string("a/b"),
                                  std::string("b\xc3\xbc"
                                              "cher.example"),
                                  std::string("a\xe3\x80\x82"
                                              "b"),
                                  std::string("*.a.b"),
                                  std::string("127.0.0.1"),
                                  std::string("127.1"),
                                  std::string("2130706433"),
                                  std::string("0x7f.1"),
                                  std::string("a.0x7f"),
                                  std::string("[::1]"),
                                  std::string(64, 'a') + ".b",
                                  std::string(300, 'a')}) {
    EXPECT_EQ(canonical_host(text), std::nullopt) << text;
  }
}

TEST(NetworkRule, ReadsTheForms) {
  EXPECT_EQ(parse_network_rule(entry("Example.com.:443")).host, "example.com");
  EXPECT_EQ(parse_network_rule(entry("*.example.com:443")).kind, NetworkRule::Kind::kSuffix);
  EXPECT_EQ(parse_network_rule(entry("localhost:5432")).kind, NetworkRule::Kind::kLocalhost);
  const NetworkRule block = parse_network_rule(entry("10.0.0.0/8:443"));
  EXPECT_EQ(block.kind, NetworkRule::Kind::kAddress);
  EXPECT_EQ(block.prefix, 8u);
  const NetworkRule six = parse_network_rule(entry("![2001:DB8::1]:443"));
  EXPECT_EQ(six.host, "2001:db8::1");
  EXPECT_EQ(six.prefix, 128u);
  EXPECT_TRUE(six.deny);
}

TEST(NetworkRule, RefusesTheRest) {
  for (const std::string& text : {std::string(""),
                                  std::string("!"),
                                  std::string("*"),
                                  std::string("*:443"),
                                  std::string("a.b"),
                                  std::string("a.b:"),
                                  std::string("a.b:0"),
                                  std::string("a.b:65536"),
                                  std::string("a.b:0443"),
                                  std::string("a.b:+1"),
                                  std::string("a.b:1-9"),
                                  std::string("a.b:*"),
                                  std::string("*.com:443"),
                                  std::string("a.*.b:1"),
                                  std::string("*a.b:1"),
                                  std::string("https://a.b:443"),
                                  std::string("u@a.b:1"),
                                  std::string("a%2e.b:1"),
                                  std::string("a\0b:1", 5),
                                  std::string("::1:443"),
                                  std::string("[::1]"),
                                  std::string("[10.0.0.1]:1"),
                                  std::string("[fe80::1%lo]:1"),
                                  std::string("[::ffff:127.0.0.1]:1"),
                                  std::string("010.0.0.1:1"),
                                  std::string("1.2.3:1"),
                                  std::string("10.0.0.0/0:1"),
                                  std::string("10.0.0.1/8:1"),
                                  std::string("10.0.0.0/33:1"),
                                  std::string("[::1/64]:1"),
                                  std::string("!!a.b:1"),
                                  std::string(" a.b:1"),
                                  std::string("a.b:1 ")}) {
    EXPECT_NE(refusal(text), "") << text;
  }
  EXPECT_NE(refusal("b\xc3\xbc"
                    "cher.example:443")
                .find("xn--"),
            std::string::npos);
}

TEST(NetworkRules, AWildcardNeverReachesTheBareName) {
  const NetworkRules some = rules({"*.example.com:443"});
  EXPECT_TRUE(allows(some, "a.example.com", 443));
  EXPECT_TRUE(allows(some, "a.b.example.com", 443));
  EXPECT_FALSE(allows(some, "example.com", 443));
  EXPECT_FALSE(allows(some, "badexample.com", 443));
  EXPECT_FALSE(allows(some, "a.example.com.evil.test", 443));
  EXPECT_FALSE(allows(some, "a.example.com", 80));
}

TEST(NetworkRules, ADenialWinsInAnyOrder) {
  for (const auto& texts : {std::vector<std::string>{"*.x.test:443", "!bad.x.test:443"},
                            std::vector<std::string>{"!bad.x.test:443", "*.x.test:443"}}) {
    EXPECT_FALSE(allows(rules(texts), "bad.x.test", 443));
    EXPECT_TRUE(allows(rules(texts), "good.x.test", 443));
    EXPECT_TRUE(rules(texts).judge_name("bad.x.test")->deny);
  }
  EXPECT_FALSE(allows(rules({"!*.x.test:443", "a.x.test:443"}), "a.x.test", 443));
}

TEST(NetworkRules, ANameIsAnsweredIfOnePortIsAllowed) {
  const NetworkRules some = rules({"!a.test:22", "a.test:22", "a.test:443"});
  EXPECT_FALSE(some.judge_name("a.test")->deny);
  EXPECT_EQ(some.judge_name("a.test")->port, 443);
  EXPECT_EQ(some.judge_name("b.test"), nullptr);
}

TEST(NetworkRules, Addresses) {
  const NetworkRules some = rules({"10.0.0.0/8:443", "!10.1.0.0/16:443", "[2001:db8::/32]:22",
                                   "localhost:5432", "127.0.0.1:9"});
  EXPECT_TRUE(allows_address(some, "10.2.3.4", 443));
  EXPECT_FALSE(allows_address(some, "10.1.3.4", 443));
  EXPECT_FALSE(allows_address(some, "11.0.0.1", 443));
  EXPECT_TRUE(allows_address(some, "2001:db8:1::1", 22));
  EXPECT_FALSE(allows_address(some, "2001:db9::1", 22));
  EXPECT_TRUE(allows_address(some, "127.0.0.1", 5432));
  EXPECT_EQ(some.ports(), (std::set<std::uint16_t>{22, 443}));
  EXPECT_EQ(some.localhost_ports(), (std::set<std::uint16_t>{9, 5432}));
  EXPECT_EQ(some.addresses().size(), 2u);
}

TEST(NetworkRules, NothingAllowsNothing) {
  EXPECT_TRUE(NetworkRules().empty());
  EXPECT_EQ(NetworkRules().judge_name("a.test", 443), nullptr);
}

TEST(LocalAddress, KnowsWhatANameMustNotLeadTo) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "100.100.100.200",
                           "127.0.0.1",
                           "127.255.1.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "198.18.0.5",
                           "224.0.0.1",
                           "255.255.255.255",
                           "168.63.129.16",
                           "::",
                           "::1",
                           "::7f00:1",
                           "fe80::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a9fe:a9fe",
                           "2002:7f00:1::",
                           "2002:c0a8:101::1",
                           "64:ff9b:1::1",
                           "2001:db8::1"}) {
    EXPECT_TRUE(is_local_address(Address(text).bytes)) << text;
  }
  for (const char* text : {"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.167.1.1",
                           "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_FALSE(is_local_address(Address(text).bytes)) << text;
  }
}

// What is accepted is already canonical when it comes back, and never holds a byte outside LDH.
TEST(CanonicalHost, IsStableOnRandomText) {
  std::mt19937 random(2);
  const std::string alphabet("aZ09-._%@:/*\0\x80 ", 16);
  std::size_t taken = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text(random() % 12, 'x');
    for (char& c : text) {
      c = alphabet[random() % (i % 2 == 0 ? 7 : alphabet.size())];
    }
    if (const auto host = canonical_host(text)) {
      ++taken;
      ASSERT_EQ(canonical_host(*host), host);
      ASSERT_EQ(host->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-."),
                std::string::npos);
    }
  }
  EXPECT_GT(taken, 1000u);
}

TEST(Covers, IsTransitiveToTheJudgement) {
  const auto covered = [](const char* outer, const char* inner) {
    return covers(parse_network_rule(entry(outer)), parse_network_rule(entry(inner)));
  };
  EXPECT_TRUE(covered("*.a.test:1", "x.a.test:1"));
  EXPECT_TRUE(covered("*.a.test:1", "*.b.a.test:1"));
  EXPECT_TRUE(covered("*.a.test:1", "*.a.test:1"));
  EXPECT_TRUE(covered("10.0.0.0/8:1", "10.1.0.0/16:1"));
  EXPECT_FALSE(covered("*.a.test:1", "a.test:1"));
  EXPECT_FALSE(covered("x.a.test:1", "*.a.test:1"));
  EXPECT_FALSE(covered("10.1.0.0/16:1", "10.0.0.0/8:1"));
  EXPECT_FALSE(covered("a.test:1", "a.test:2"));
  EXPECT_FALSE(covered("localhost:1", "127.0.0.1:1"));
}

}  // namespace
}  // namespace agentbox::policy
