#include "launcher/session/trust.h"

#include "base/error.h"
#include "tests/unit/session/place.h"

namespace agentbox::session {
namespace {

using TrustTest = Place;

TEST_F(TrustTest, IsForOneRootAndOneDigest) {
  TrustStore store(path("state"));
  EXPECT_FALSE(store.trusted("/p", "d1"));
  store.record("/p", "d1");
  EXPECT_TRUE(store.trusted("/p", "d1"));
  EXPECT_FALSE(store.trusted("/p", "d2"));
  EXPECT_FALSE(store.trusted("/q", "d1"));
  store.record("/p", "d2");
  EXPECT_FALSE(store.trusted("/p", "d1"));
}

TEST_F(TrustTest, CanBeTakenBack) {
  TrustStore store(path("state"));
  store.record("/p", "d");
  EXPECT_TRUE(store.forget("/p"));
  EXPECT_FALSE(store.forget("/p"));
  EXPECT_FALSE(store.trusted("/p", "d"));
}

TEST_F(TrustTest, ADamagedFileTrustsNothing) {
  write("state/trust.json", "{\"/p\": \"d\"");
  EXPECT_THROW(TrustStore(path("state")).trusted("/p", "d"), base::Error);
  write("state/trust.json", "{\"/p\": [\"d\"]}");
  EXPECT_FALSE(TrustStore(path("state")).trusted("/p", "d"));
}

}  // namespace
}  // namespace agentbox::session
