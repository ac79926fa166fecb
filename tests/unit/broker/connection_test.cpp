#include "launcher/broker/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/error.h"

namespace agentbox::broker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    int fds[2];
    base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                "socketpair");
    peer_.reset(fds[0]);
    connection_ = std::make_unique<Connection>(base::UniqueFd(fds[1]));
  }

  bool receive(std::string_view bytes, Clock::time_point now) {
    EXPECT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return connection_->on_readable(
        [](const std::string&, std::vector<base::UniqueFd>) { return result_message(1, "answer"); },
        allowance_, now);
  }

  base::UniqueFd peer_;
  std::unique_ptr<Connection> connection_;
  Allowance allowance_;
  const Clock::time_point start_ = Clock::now();
};

TEST_F(ConnectionTest, ASlowMessageGetsNoMoreTimeForEachByte) {
  const std::string message = frame(std::string_view("{}"));
  ASSERT_TRUE(receive(message.substr(0, 1), start_));
  EXPECT_EQ(connection_->deadline(), start_ + seconds(5));
  ASSERT_TRUE(receive(message.substr(1, 1), start_ + seconds(4)));
  EXPECT_EQ(connection_->deadline(), start_ + seconds(5));
  // Positive control: a whole message ends the hurry.
  ASSERT_TRUE(receive(message.substr(2), start_ + seconds(4)));
  EXPECT_EQ(connection_->deadline(), start_ + seconds(4) + minutes(5));
}

TEST_F(ConnectionTest, TheNextMessageHasItsOwnTime) {
  const std::string message = frame(std::string_view("{}"));
  ASSERT_TRUE(receive(message.substr(0, 1), start_));
  ASSERT_TRUE(receive(message.substr(1) + message.substr(0, 1), start_ + seconds(4)));
  EXPECT_EQ(connection_->deadline(), start_ + seconds(9));
}

TEST_F(ConnectionTest, EndsWithThePeer) {
  peer_.reset();
  EXPECT_FALSE(connection_->on_readable(
      [](const std::string&, std::vector<base::UniqueFd>) { return nlohmann::json(); }, allowance_,
      start_));
}

TEST(Allowance, IsUsedUpAndComesBack) {
  Allowance allowance;
  const auto now = Clock::now() + seconds(1);
  int taken = 0;
  while (allowance.take(now)) {
    ++taken;
  }
  EXPECT_EQ(taken, 100);
  EXPECT_TRUE(allowance.take(now + seconds(1)));
}

}  // namespace
}  // namespace agentbox::broker
