// The reserved key and the question behind it, at a terminal.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/integration/terminal/user.h"

namespace agentbox::terminal {
namespace {

const std::string kKey = "\x1d";

class AskingTest : public ::testing::Test {
 protected:
  AskingTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentbox-asking.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    place_ = name;
  }
  ~AskingTest() override { std::filesystem::remove_all(place_); }

  // A command that shows `count` bytes that it was given, in hexadecimal.
  static std::vector<std::string> reader(int count) {
    return {"sh", "-c",
            "stty -icanon -echo; printf ready; printf got; head -c " + std::to_string(count) +
                " | od -An -tx1"};
  }
  std::vector<std::string> asking(const std::vector<std::string>& questions,
                                  const std::vector<std::string>& command) const {
    std::vector<std::string> options = {"--answers", place_ + "/answers"};
    for (const std::string& question : questions) {
      options.insert(options.end(), {"--ask", question});
    }
    return driver(options, command);
  }
  // What was answered, once there are so many answers.
  std::string answers(int count = 1) const {
    for (int i = 0; i < 2000; ++i) {
      std::ostringstream text;
      text << std::ifstream(place_ + "/answers").rdbuf();
      const std::string lines = text.str();
      if (std::count(lines.begin(), lines.end(), '\n') >= count) {
        return lines;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return {};
  }
  static void answers_queries(User& user) { user.answer("\033[c", "\033[?62c", 0); }

  std::string place_;
};

TEST_F(AskingTest, TheKeyAndTheAnswerAreNotTheCommands) {
  User user(asking({"scope    deploy"}, reader(3)));
  answers_queries(user);
  ASSERT_TRUE(user.sees("question 1 waits for your answer: press Ctrl-]"));
  ASSERT_TRUE(user.sees("ready"));
  user.type("a" + kKey + "z");
  ASSERT_TRUE(user.sees("scope    deploy"));
  ASSERT_TRUE(user.sees("q: later"));
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("?y");
  EXPECT_EQ(answers(), "1 yes\n");
  ASSERT_TRUE(user.sees("\033[?1049l"));
  user.type("bc");
  EXPECT_TRUE(user.sees("61 62 63"));
  EXPECT_TRUE(user.ends());
}

TEST_F(AskingTest, WithoutQuestionsTheKeyIsTheCommands) {
  User user(driver({}, reader(2)));
  ASSERT_TRUE(user.sees("ready"));
  user.type(kKey + "a");
  EXPECT_TRUE(user.sees("1d 61"));
}

TEST_F(AskingTest, TwiceTheKeyIsTheCommands) {
  User user(asking({"one"}, reader(2)));
  answers_queries(user);
  ASSERT_TRUE(user.sees("ready"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("\033[c"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("\033[?1049l"));
  user.type("a");
  EXPECT_TRUE(user.sees("1d 61"));
}

TEST_F(AskingTest, ShowsNothingOfTheCommandMeanwhile) {
  User user(asking({"one"}, {"sh", "-c", "while :; do printf tick; sleep 0.01; done"}));
  answers_queries(user);
  ASSERT_TRUE(user.sees("tick"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("q: later"));
  const std::size_t begin = user.screen().size();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  user.resize(30, 90);
  ASSERT_TRUE(user.sees("q: later"));
  EXPECT_EQ(user.screen().substr(begin).find("tick"), std::string::npos);
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("q");
  EXPECT_TRUE(user.sees("tick"));
  EXPECT_FALSE(std::filesystem::exists(place_ + "/answers"));
}

TEST_F(AskingTest, NothingThatTheTerminalSaysIsAnAnswer) {
  User user(asking({"one"}, {"sleep", "60"}));
  user.answer("\033[c", "y\033[Myyyy\033]11;y\033\\y\033[?62c", 0);
  ASSERT_TRUE(user.sees("press"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("\033[M yy\033[200~y\033[201~\033]11;y\033\\\033y");
  user.type("n");
  EXPECT_EQ(answers(), "1 no\n");
}

TEST_F(AskingTest, AsksOneAfterAnother) {
  User user(asking({"one", "two"}, {"sleep", "60"}));
  answers_queries(user);
  ASSERT_TRUE(user.sees("press"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("(1 more wait)"));
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("y");
  ASSERT_TRUE(user.sees("two"));
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("n");
  ASSERT_TRUE(user.sees("\033[?1049l"));
  EXPECT_EQ(answers(2), "1 yes\n2 no\n");
  user.type(kKey);
  EXPECT_TRUE(user.sees("nothing waits"));
}

TEST_F(AskingTest, WhatCannotBeShownWholeCannotBeAllowed) {
  User user(asking({std::string(2000, 'x')}, {"sleep", "60"}));
  answers_queries(user);
  ASSERT_TRUE(user.sees("press"));
  user.resize(12, 40);
  user.type(kKey);
  ASSERT_TRUE(user.sees("too small"));
  ASSERT_TRUE(user.sees("\033[c"));
  user.type("y");
  user.type("n");
  EXPECT_EQ(answers(), "1 no\n");
}

TEST_F(AskingTest, AFullScreenProgramKeepsItsScreenAndIsToldToDraw) {
  User user(asking({"one"}, {"bash", "-c",
                             "trap 'printf \"drawn at %s;\" \"$(stty size)\"' WINCH; "
                             "printf '\\033[?1049hready'; while :; do sleep 0.01; done"}));
  answers_queries(user);
  user.resize(24, 80);
  ASSERT_TRUE(user.sees("ready"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("\033[c"));
  const std::size_t begin = user.screen().size();
  user.type("q");
  EXPECT_TRUE(user.sees("drawn at 23 80"));
  EXPECT_TRUE(user.sees("drawn at 24 80"));
  EXPECT_EQ(user.screen().substr(begin).find("1049l"), std::string::npos);
}

TEST_F(AskingTest, AKilledRelayLeavesNoQuestionOnTheTerminal) {
  User user(asking({"one"}, {"sleep", "60"}));
  ASSERT_TRUE(user.sees("press"));
  user.type(kKey);
  ASSERT_TRUE(user.sees("q: later"));
  ::kill(user.process(), SIGKILL);
  EXPECT_TRUE(user.sees("\033[?1049l"));
}

TEST_F(AskingTest, TheCommandsEndEndsTheQuestion) {
  User user(asking({"one"}, {"sh", "-c", "read line; exit 3"}));
  answers_queries(user);
  ASSERT_TRUE(user.sees("press"));
  user.type("\n" + kKey);
  EXPECT_TRUE(user.ends());
  EXPECT_EQ(WEXITSTATUS(user.status()), 3);
}

}  // namespace
}  // namespace agentbox::terminal
