#include "resolver/cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "temporary.h"

namespace agentbox::resolver {
namespace {

using std::chrono::seconds;

constexpr std::chrono::milliseconds kLimit(5000);

// A store that counts, changes and fails as told.
class Store : public Backend {
 public:
  std::string name() const override { return "vault"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point) override {
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < references.size(); ++i) {
      ++asked;
      if (failure) {
        answers.emplace_back(Failed{*failure, "no", ""});
      } else {
        answers.emplace_back(Value{Secret(value), version, lifetime});
      }
    }
    return answers;
  }

  int asked = 0;
  std::string value = "canary\nvalue", version = "7\n";
  seconds lifetime{0};
  std::optional<Failure> failure;
};

class CacheTest : public testing::Test {
 protected:
  CacheTest() { resolver_.add("vault", store_); }

  Cache cache() {
    return Cache(temporary_ / "cache", Environment(variables_), [this] { return now_; });
  }

  // The value, or the failure's name; "*" after one that the store did not give.
  std::string ask(const std::string& reference = "vault://a/b#c", bool anew = false) {
    Cache own = cache();
    const std::vector<Resolution> all =
        own.resolve(resolver_, {parse_reference(reference)}, {terms_}, kLimit, anew);
    const Resolution& one = all.at(0);
    EXPECT_EQ(one.backend, "vault");
    const auto* value = std::get_if<Value>(&one.answer);
    if (value != nullptr && value->version != store_->version) {
      ADD_FAILURE() << value->version;
    }
    return (value != nullptr ? std::string(value->secret.reveal())
                             : failure_name(std::get<Failed>(one.answer).failure)) +
           (one.cached ? "*" : "") + (one.offline.empty() ? "" : "!");
  }

  // All that lies on the disk.
  std::string written() const {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(temporary_.path())) {
      if (entry.is_regular_file()) {
        std::ifstream in(entry.path(), std::ios::binary);
        all += entry.path().string() + std::string(std::istreambuf_iterator<char>(in), {});
      }
    }
    return all;
  }

  Temporary temporary_;
  std::shared_ptr<Store> store_ = std::make_shared<Store>();
  Resolver resolver_;
  CacheTerms terms_{seconds(60), seconds(600)};
  // LocalStore stamps with the real clock.
  std::int64_t now_ = std::time(nullptr) + 1;
  const char* variables_[2] = {"VAULT_TOKEN=one", nullptr};
};

TEST_F(CacheTest, AsksTheStoreOnceInALifetime) {
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_EQ(ask(), "canary\nvalue*");
  EXPECT_EQ(store_->asked, 1);
  now_ += 60;
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_EQ(store_->asked, 2);
}

TEST_F(CacheTest, KeepsNothingWithoutTerms) {
  terms_ = {};
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_FALSE(std::filesystem::exists(temporary_ / "cache"));
}

TEST_F(CacheTest, WritesNoValueAndNoReferenceInTheClear) {
  ask();
  EXPECT_NE(written(), "");
  for (const char* text : {"canary", "value", "vault://a/b#c", "a/b"}) {
    EXPECT_EQ(written().find(text), std::string::npos) << text;
  }
}

TEST_F(CacheTest, AnOldValueWillDoWhileTheStoreCannotBeReached) {
  ask();
  now_ += 100;
  for (const Failure failure : {Failure::kUnavailable, Failure::kTimeout, Failure::kRateLimited}) {
    store_->failure = failure;
    EXPECT_EQ(ask(), "canary\nvalue*!");
  }
  // The store's own word stands: who may no longer read it is not given it.
  for (const Failure failure : {Failure::kPermissionDenied, Failure::kNotFound,
                                Failure::kAuthRequired, Failure::kAuthFailed}) {
    store_->failure = failure;
    EXPECT_EQ(ask(), failure_name(failure));
  }
  store_->failure = Failure::kTimeout;
  now_ += 600;
  EXPECT_EQ(ask(), "timeout");
}

TEST_F(CacheTest, ANewLookAsksTheStoreAndKeepsWhatItSays) {
  ask();
  store_->value = "second";
  EXPECT_EQ(ask(), "canary\nvalue*");
  EXPECT_EQ(ask("vault://a/b#c", true), "second");
  EXPECT_EQ(ask(), "second*");
}

TEST_F(CacheTest, AnotherAccountOrReferenceFindsNothing) {
  ask();
  EXPECT_EQ(ask("vault://a/b#d"), "canary\nvalue");
  variables_[0] = "VAULT_TOKEN=two";
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_EQ(store_->asked, 3);
}

TEST_F(CacheTest, WhatIsGoodForATimeOfItsOwnIsNotKept) {
  store_->lifetime = seconds(3600);
  ask();
  EXPECT_EQ(ask(), "canary\nvalue");
  EXPECT_EQ(store_->asked, 2);
}

TEST_F(CacheTest, WhatNoTermsAllowAnyMoreIsRemoved) {
  ask();
  const LocalStore kept(temporary_ / "cache");
  ASSERT_EQ(kept.list().size(), 1U);
  now_ += 600;
  store_->failure = Failure::kNotFound;
  ask("vault://other/b#c");
  EXPECT_TRUE(kept.list().empty());
}

TEST_F(CacheTest, OtherTermsReplaceTheEntry) {
  ask();
  terms_ = {seconds(30), seconds(0)};
  ask("vault://a/b#c", true);
  EXPECT_EQ(LocalStore(temporary_ / "cache").list().size(), 1U);
  EXPECT_EQ(cache().clear(), 1U);
  EXPECT_EQ(cache().clear(), 0U);
  EXPECT_EQ(ask(), "canary\nvalue");
}

}  // namespace
}  // namespace agentbox::resolver
