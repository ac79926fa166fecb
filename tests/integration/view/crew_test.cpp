// A request that takes long keeps nobody else waiting, though one thread waits for requests.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

TEST(Crew, AnotherThreadAnswersWhileOneIsBusy) {
  std::atomic<const char*> answered = nullptr;  // the file that only another request can make
  std::atomic<int> overtaken = 0;
  Options options;
  options.touched = [&](const Touch&) {
    for (int i = 0; i < 1000 && ::access(answered, F_OK) != 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    overtaken += ::access(answered, F_OK) == 0;
  };
  MountedView view(std::move(options));
  const std::string path = view.real() + "/answered";
  answered = path.c_str();
  // Elsewhere: the kernel makes no name in a directory in which one is being looked up.
  view.outside("mkdir d; echo A=1 > d/.env; echo B=1 > d/.env.local");
  // After some time in which nothing was asked, and again in the middle of work.
  view.run("sleep 0.2; cat d/.env 2>/dev/null & sleep 0.05; echo x > answered; wait; rm answered");
  EXPECT_EQ(overtaken, 1);
  view.run("cat d/.env.local 2>/dev/null & sleep 0.05; echo x > answered; wait");
  EXPECT_EQ(overtaken, 2);
}

TEST(Crew, ManyAtOnceAreAllAnswered) {
  MountedView view;
  view.outside("mkdir d; for i in $(seq 200); do echo $i > d/$i; done");
  const Result result =
      view.run("for n in $(seq 8); do (cat d/* | sort -n | md5sum; echo $n > made$n) & done; wait");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(view.run("for n in $(seq 8); do cat d/* | sort -n | md5sum; done | sort -u").output,
            view.outside("seq 200 | md5sum").output);
  EXPECT_EQ(view.outside("cat made* | sort -n").output, view.outside("seq 8").output);
  view.run("sleep 0.2");  // all rest
  EXPECT_EQ(view.run("cat d/7").output, "7\n");
}

}  // namespace
}  // namespace agentbox::view
