#include "launcher/approvals/card.h"

#include <gtest/gtest.h>

namespace agentbox::approvals {
namespace {

Pending pending() {
  Pending one{.id = 7,
              .request = {.box = "b1",
                          .chain = "main/tests",
                          .scope = "deploy",
                          .reason = "the release",
                          .rule = "agentbox.json:9:5",
                          .command = {"sh", "-c", "echo it's done", ""},
                          .secrets = {"aws", "github"},
                          .hosts = {"*.amazonaws.com:443"},
                          .session_key = {}},
              .since = std::chrono::system_clock::now(),
              .deadline = Clock::now() + std::chrono::minutes(1)};
  return one;
}

TEST(CardTest, SaysWhoWantsWhatAndWhere) {
  EXPECT_EQ(card(pending().request),
            (std::vector<std::string>{"scope    deploy", "asks     main/tests (box b1)",
                                      R"(command  sh -c 'echo it'\''s done' '')",
                                      "secrets  aws, github", "hosts    '*.amazonaws.com:443'",
                                      "says     the release", "rule     agentbox.json:9:5"}));
}

TEST(CardTest, SaysWhichSecretIsWanted) {
  Request request = pending().request;
  EXPECT_FALSE(request.is_for_secret());
  request.command.clear();
  request.hosts.clear();
  request.secrets = {"token"};
  EXPECT_TRUE(request.is_for_secret());
  EXPECT_EQ(card(request), (std::vector<std::string>{
                               "scope    deploy", "asks     main/tests (box b1)", "wants    token",
                               "says     the release", "rule     agentbox.json:9:5"}));
}

TEST(CardTest, SaysThatAYesWillLast) {
  Request request = pending().request;
  request.session_key = "main>deploy";
  EXPECT_EQ(card(request).back(), "a yes    holds for the rest of the session");
}

TEST(CardTest, TravelsAsJson) {
  const Pending one = pending();
  const nlohmann::json message = to_json(one);
  EXPECT_EQ(message.at("id"), 7);
  EXPECT_LE(message.at("seconds_left"), 60);
  EXPECT_EQ(card(request_from(message)), card(one.request));
  EXPECT_THROW(request_from(nlohmann::json::object()), nlohmann::json::exception);
}

}  // namespace
}  // namespace agentbox::approvals
