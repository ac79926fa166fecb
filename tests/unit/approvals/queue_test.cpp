#include "launcher/approvals/queue.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <future>
#include <thread>

namespace agentbox::approvals {
namespace {

class QueueTest : public ::testing::Test {
 protected:
  QueueTest()
      : queue_({.patience = std::chrono::minutes(1),
                .attended = [this] { return attended_.load(); },
                .record =
                    [this](const Pending& pending, Outcome outcome, const std::string& actor) {
                      if (outcome == refuse_to_record_) {
                        throw std::runtime_error("the disk is full");
                      }
                      records_.push_back(pending.request.scope + " " + outcome_name(outcome) +
                                         (actor.empty() ? "" : " by " + actor));
                    }}) {}
  ~QueueTest() override { queue_.close(); }

  static Request request(const std::string& scope, const std::string& box = "b1") {
    Request one;
    one.box = box;
    one.chain = "main";
    one.scope = scope;
    one.command = {"make", "deploy"};
    return one;
  }

  std::future<Decision> ask(Request one) {
    return std::async(std::launch::async, [this, one] { return queue_.decide(one); });
  }

  // Waits until `count` requests wait.
  std::vector<Pending> waiting(std::size_t count) const {
    for (;;) {
      auto all = queue_.pending();
      if (all.size() == count) {
        return all;
      }
      std::this_thread::yield();
    }
  }

  std::atomic<bool> attended_ = true;
  std::optional<Outcome> refuse_to_record_;
  std::vector<std::string> records_;
  Queue queue_;
};

TEST_F(QueueTest, WaitsForTheAnswerAndRecordsItFirst) {
  auto yes = ask(request("deploy"));
  const auto first = waiting(1);
  EXPECT_TRUE(queue_.answer(first[0].id, true, "ann/terminal"));
  EXPECT_TRUE(yes.get().granted());
  auto no = ask(request("deploy"));
  const auto second = waiting(1);
  EXPECT_NE(second[0].id, first[0].id);
  EXPECT_FALSE(queue_.answer(first[0].id, true, "ann/terminal"));
  EXPECT_TRUE(queue_.answer(second[0].id, false, "ann/approve"));
  EXPECT_FALSE(queue_.answer(second[0].id, true, "ann/approve"));
  EXPECT_EQ(no.get().outcome, Outcome::kDenied);
  EXPECT_EQ(records_, (std::vector<std::string>{"deploy asked", "deploy granted by ann/terminal",
                                                "deploy asked", "deploy denied by ann/approve"}));
}

TEST_F(QueueTest, GrantsNothingThatIsNotOnTheRecord) {
  refuse_to_record_ = Outcome::kAsked;
  EXPECT_THROW(queue_.decide(request("deploy")), std::runtime_error);
  EXPECT_TRUE(queue_.pending().empty());
  refuse_to_record_ = Outcome::kGranted;
  auto asked = ask(request("deploy"));
  const auto id = waiting(1)[0].id;
  EXPECT_THROW(queue_.answer(id, true, "ann"), std::runtime_error);
  EXPECT_TRUE(queue_.answer(id, false, "ann"));
  EXPECT_FALSE(asked.get().granted());
}

TEST_F(QueueTest, SilenceIsANo) {
  std::vector<Outcome> outcomes;
  Queue hasty({.patience = std::chrono::milliseconds(1),
               .attended = nullptr,
               .record = [&](const Pending&, Outcome outcome, const std::string&) {
                 outcomes.push_back(outcome);
               }});
  EXPECT_EQ(hasty.decide(request("deploy")).outcome, Outcome::kTimedOut);
  EXPECT_EQ(outcomes, (std::vector{Outcome::kAsked, Outcome::kTimedOut}));
  EXPECT_TRUE(hasty.pending().empty());
}

TEST_F(QueueTest, AnAnswerForTheSessionIsRememberedByItsKey) {
  Request one = request("deploy");
  one.session_key = "main>deploy";
  auto asked = ask(one);
  queue_.answer(waiting(1)[0].id, true, "ann");
  EXPECT_TRUE(asked.get().granted());
  attended_ = false;
  EXPECT_TRUE(queue_.decide(one).granted());
  EXPECT_EQ(records_.back(), "deploy granted by earlier answer");
  one.session_key = "tests>deploy";
  EXPECT_FALSE(queue_.decide(one).granted());
  EXPECT_FALSE(queue_.decide(request("deploy")).granted());
}

TEST_F(QueueTest, RefusesAtOnceWhereNobodyCanAnswer) {
  attended_ = false;
  const Decision decision = queue_.decide(request("deploy"));
  EXPECT_EQ(decision.outcome, Outcome::kRefused);
  EXPECT_NE(decision.reason.find("agentbox approve"), std::string::npos);
  EXPECT_EQ(records_, std::vector<std::string>{"deploy refused"});
}

TEST_F(QueueTest, ShowsNothingThatDrivesATerminal) {
  Request one = request("deploy");
  one.reason = "to \x1b[2Jdeploy\nagentbox: granted";
  one.command = {"sh", "-c", "echo \x1b]0;title\x07 \xe2\x80\xae"};
  auto asked = ask(one);
  const auto shown = waiting(1)[0];
  for (const std::string& text : {shown.request.reason, shown.request.command[2]}) {
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  }
  queue_.answer(shown.id, false, "ann");
  asked.get();
  one = request("other");
  one.command = {"sh", "-c", std::string(Queue::kLongestCommand, ' ') + "rm -rf /"};
  EXPECT_EQ(queue_.decide(one).outcome, Outcome::kRefused);
}

TEST_F(QueueTest, AFloodWaitsNeitherInMemoryNorBeforeTheUser) {
  std::vector<std::future<Decision>> all;
  for (std::size_t i = 0; i < Queue::kMostOfOneBox; ++i) {
    all.push_back(ask(request("s" + std::to_string(i))));
  }
  waiting(Queue::kMostOfOneBox);
  EXPECT_EQ(queue_.decide(request("more")).outcome, Outcome::kRefused);
  for (std::size_t i = Queue::kMostOfOneBox; i < Queue::kMostWaiting; ++i) {
    all.push_back(ask(request("deploy", "box" + std::to_string(i))));
  }
  waiting(Queue::kMostWaiting);
  EXPECT_EQ(queue_.decide(request("more", "another")).outcome, Outcome::kRefused);
  for (const Pending& pending : queue_.pending()) {
    if (pending.request.box == "b1") {
      queue_.withdraw(pending.id);
      EXPECT_FALSE(queue_.answer(pending.id, true, "ann"));
    }
  }
  const auto rest = waiting(Queue::kMostWaiting - Queue::kMostOfOneBox);
  queue_.close();
  for (auto& one : all) {
    EXPECT_EQ(one.get().outcome, Outcome::kWithdrawn);
  }
  EXPECT_EQ(queue_.decide(request("late", "late")).outcome, Outcome::kRefused);
}

TEST_F(QueueTest, TheEndLeavesNobodyWaitingWithoutARecord) {
  auto asked = ask(request("deploy"));
  waiting(1);
  refuse_to_record_ = Outcome::kWithdrawn;
  queue_.close();
  EXPECT_EQ(asked.get().outcome, Outcome::kWithdrawn);
}

TEST_F(QueueTest, ABoxThatWasToldNoDoesNotAskAgainAtOnce) {
  auto asked = ask(request("deploy"));
  queue_.answer(waiting(1)[0].id, false, "ann");
  asked.get();
  EXPECT_EQ(queue_.decide(request("deploy")).outcome, Outcome::kRefused);
  auto other = ask(request("deploy", "b2"));
  queue_.answer(waiting(1)[0].id, true, "ann");
  EXPECT_TRUE(other.get().granted());
}

TEST_F(QueueTest, TellsOfEachChange) {
  pollfd polled = {queue_.changed(), POLLIN, 0};
  EXPECT_EQ(::poll(&polled, 1, 0), 0);
  auto asked = ask(request("deploy"));
  EXPECT_EQ(::poll(&polled, 1, -1), 1);
  queue_.answer(waiting(1)[0].id, true, "ann");
  asked.get();
}

}  // namespace
}  // namespace agentbox::approvals
