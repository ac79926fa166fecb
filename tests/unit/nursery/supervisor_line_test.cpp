// What the nursery and the supervisor say to each other.
#include "launcher/nursery/supervisor_line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/passing.h"

namespace agentbox::nursery {
namespace {

using nlohmann::json;

class SupervisorLineTest : public testing::Test {
 protected:
  SupervisorLineTest() {
    auto [ours, theirs] = pair();
    line_.emplace(std::move(ours));
    supervisor_ = std::move(theirs);
  }

  static std::pair<base::UniqueFd, base::UniqueFd> pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
  }

  json hear(std::vector<base::UniqueFd>* passed = nullptr) const {
    std::string text(4096, '\0');
    std::vector<base::UniqueFd> none;
    const ssize_t size = base::receive_passing(supervisor_.get(), text,
                                               passed == nullptr ? none : *passed, MSG_DONTWAIT);
    return size <= 0 ? json() : json::parse(text.begin(), text.begin() + size);
  }

  void say(const std::string& text) const {
    EXPECT_GT(base::send_passing(supervisor_.get(), text, {}), 0);
  }

  // One that asks; its caller's end of the link.
  base::UniqueFd ask(const std::string& box) {
    auto [link, caller] = pair();
    SupervisorLine::Held held;
    held.box = box;
    held.link = std::move(link);
    EXPECT_TRUE(line_->ask({{"box", box}}, held));
    return std::move(caller);
  }

  std::optional<SupervisorLine> line_;
  base::UniqueFd supervisor_;
};

TEST_F(SupervisorLineTest, AnAnswerFindsItsQuestion) {
  const base::UniqueFd one = ask("b1");
  const base::UniqueFd two = ask("b2");
  EXPECT_EQ(hear(), json({{"ask", 1}, {"box", "b1"}}));
  EXPECT_EQ(hear(), json({{"ask", 2}, {"box", "b2"}}));
  EXPECT_FALSE(line_->next());
  say(R"({"id":2,"granted":true,"reason":""})");
  say(R"({"id":1,"granted":false,"reason":"no"})");
  const auto second = std::get<SupervisorLine::Answer>(line_->next().value());
  EXPECT_EQ(second.held.box, "b2");
  EXPECT_TRUE(second.granted);
  const auto first = std::get<SupervisorLine::Answer>(line_->next().value());
  EXPECT_EQ(first.held.box, "b1");
  EXPECT_FALSE(first.granted);
  EXPECT_EQ(first.reason, "no");
}

TEST_F(SupervisorLineTest, NothingIsAnsweredTwiceOrUnasked) {
  const base::UniqueFd one = ask("b1");
  for (const char* text : {R"({"id":2,"granted":true})", R"([1])", "{", R"({"granted":true})"}) {
    say(text);
    EXPECT_FALSE(line_->next()) << text;
  }
  say(R"({"id":1,"granted":true})");
  EXPECT_TRUE(line_->next());
  say(R"({"id":1,"granted":true})");
  EXPECT_FALSE(line_->next());
}

TEST_F(SupervisorLineTest, WhatIsWithdrawnIsNotGranted) {
  base::UniqueFd caller = ask("b1");
  hear();
  ASSERT_EQ(line_->links().size(), 1U);
  pollfd link = {line_->links()[0], POLLRDHUP, 0};
  EXPECT_EQ(::poll(&link, 1, 0), 0);
  caller.reset();
  EXPECT_EQ(::poll(&link, 1, 0), 1);
  line_->withdraw(link.fd);
  EXPECT_EQ(hear(), json({{"withdrawn", 1}}));
  EXPECT_TRUE(line_->links().empty());
  say(R"({"id":1,"granted":true})");
  EXPECT_FALSE(line_->next());
}

TEST_F(SupervisorLineTest, SoManyAskAndNoMore) {
  std::vector<base::UniqueFd> callers;
  for (std::size_t i = 0; i < SupervisorLine::kMost; ++i) {
    callers.push_back(ask("b1"));
    hear();
  }
  SupervisorLine::Held held;
  held.box = "kept";
  EXPECT_FALSE(line_->ask({{"box", "b1"}}, held));
  EXPECT_EQ(held.box, "kept");
}

TEST_F(SupervisorLineTest, TellsOfBoxesAndHearsWhichToEnd) {
  const base::UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  line_->tell({{"running", "b1"}}, null.get());
  std::vector<base::UniqueFd> passed;
  EXPECT_EQ(hear(&passed), json({{"running", "b1"}}));
  EXPECT_EQ(passed.size(), 1U);
  say(R"({"kill":"b1"})");
  EXPECT_EQ(std::get<SupervisorLine::Kill>(line_->next().value()).box, "b1");
}

TEST_F(SupervisorLineTest, ASupervisorThatIsGoneIsNotAsked) {
  supervisor_.reset();
  EXPECT_FALSE(line_->next());
  EXPECT_EQ(line_->socket(), -1);
  line_->tell({{"left", "b1"}});
  SupervisorLine::Held held;
  EXPECT_FALSE(line_->ask(json::object(), held));
}

}  // namespace
}  // namespace agentbox::nursery
