#include "launcher/box/setup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/error.h"

namespace agentbox::box {
namespace {

using base::Error;
using base::Status;

Plan plan_with_views() {
  Plan plan;
  plan.binds = {{"/usr", "/usr"},
                {"/usr/share", "/home/u/p/node_modules", true},
                {"/usr/bin", "/home/u/p/node_modules/.bin"},
                {"/etc/passwd", "/etc/passwd"}};
  plan.views = {"/home/u", "/home/u/p"};
  plan.working_directory = "/home/u/p";
  return plan;
}

std::vector<std::string> names(const std::vector<Step>& steps) {
  std::vector<std::string> result;
  for (const Step& step : steps) {
    result.push_back(std::string(step.name) + " " + step.subject);
  }
  return result;
}

std::ptrdiff_t position(const std::vector<std::string>& list, const std::string& name) {
  const auto found = std::find(list.begin(), list.end(), name);
  EXPECT_NE(found, list.end()) << name;
  return found - list.begin();
}

void expect_refused(const Plan& plan, const std::string& message) {
  Context context;
  try {
    compile(plan, context);
    ADD_FAILURE() << "accepted, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kConfiguration);
    EXPECT_EQ(error.what(), message);
  }
}

TEST(Setup, OuterMountsComeBeforeInnerOnes) {
  Context context;
  const auto list = names(compile(plan_with_views(), context));
  const auto outer = position(list, "mount live view /home/u");
  const auto inner = position(list, "mount live view /home/u/p");
  const auto modules = position(list, "bind /usr/share");
  const auto programs = position(list, "bind /usr/bin");
  EXPECT_LT(outer, inner);
  EXPECT_LT(inner, modules);
  EXPECT_LT(modules, programs);
  EXPECT_LT(position(list, "bind system directory /usr"),
            position(list, "make system read-only /"));
  EXPECT_LT(position(list, "make system read-only /"), outer);
}

TEST(Setup, DescriptorsGoOutBeforeAnythingWaitsForThem) {
  Context context;
  const auto list = names(compile(plan_with_views(), context));
  EXPECT_LT(position(list, "create live view /home/u/p"), position(list, "hand out descriptors "));
  EXPECT_LT(position(list, "hand out descriptors "), position(list, "mount live view /home/u"));
}

TEST(Setup, NothingIsMadeBelowAView) {
  Context context;
  for (const Step& step : compile(plan_with_views(), context)) {
    if (std::string_view(step.name).starts_with("make")) {
      EXPECT_FALSE(step.subject.starts_with("/home/u/")) << step.name << " " << step.subject;
    }
  }
}

TEST(Setup, SealIsLastAndInOrder) {
  Context context;
  context.landlock_abi = 7;
  const auto list = names(compile(plan_with_views(), context));
  const std::vector<std::string> last(list.end() - 7, list.end());
  EXPECT_EQ(last, (std::vector<std::string>{"lock secure bits ", "drop bounding set ",
                                            "drop capabilities ", "forbid new privileges ",
                                            "restrict with Landlock /",
                                            "install system call filter ", "tie to supervisor "}));
}

TEST(Setup, LandlockGivesWayToNestedNamespaces) {
  Context context;
  context.landlock_abi = 7;
  Plan plan = plan_with_views();
  plan.user_namespaces = true;
  for (const Step& step : compile(plan, context)) {
    EXPECT_STRNE(step.name, "restrict with Landlock");
  }
}

TEST(Setup, LandlockLeavesOnlyWritablePlacesWritable) {
  Context context;
  compile(plan_with_views(), context);
  EXPECT_EQ(context.writable,
            (std::vector<std::string>{"/tmp", "/var/tmp", "/run", "/dev/shm", "/home/u",
                                      "/home/u/p", "/home/u/p/node_modules"}));
}

TEST(Setup, BadPathsAreRefused) {
  Plan plan = plan_with_views();
  plan.binds[0].target = "usr";
  expect_refused(plan, "box plan: not an absolute path: usr");
  plan = plan_with_views();
  plan.binds[0].target = "/usr/../etc";
  expect_refused(plan, "box plan: \"..\" in a path: /usr/../etc");
  plan = plan_with_views();
  plan.binds[0].target = std::string("/usr\0/x", 7);
  expect_refused(plan, "box plan: not an absolute path: /usr\\x00/x");
  plan = plan_with_views();
  plan.views[0] = "/";
  expect_refused(plan, "box plan: the root cannot be a mount point: /");
  plan = plan_with_views();
  plan.views[0] = "/proc/self";
  expect_refused(plan, "box plan: nothing may be mounted on /proc: /proc/self");
  plan = plan_with_views();
  plan.working_directory = "";
  expect_refused(plan, "box plan: not an absolute path: ");
}

TEST(Setup, NothingMadeOnTheRootVanishesBelowAMount) {
  Plan plan = plan_with_views();
  plan.files.push_back({"/home/u/.profile", "x"});
  expect_refused(plan, "box plan: lies below a bind or a view: /home/u/.profile");
  plan = plan_with_views();
  plan.symlinks.push_back({"/usr/x", "y"});
  expect_refused(plan, "box plan: lies below a bind or a view: /usr/x");
  plan = plan_with_views();
  plan.directories.push_back("/home/u/p/new");
  expect_refused(plan, "box plan: lies below a bind or a view: /home/u/p/new");
}

TEST(Setup, BadAddressesAreRefused) {
  Plan plan = plan_with_views();
  plan.sockets.push_back({false, "localhost", 80});
  expect_refused(plan, "box plan: not an address: localhost");
  plan = plan_with_views();
  for (const char* route : {"198.18.0.0/33", "198.18.0.0/", "198.18.0.0/-1", "198.18.0.0/015"}) {
    plan.local_routes = {route};
    expect_refused(plan, std::string("box plan: not a prefix length: ") + route);
  }
  plan.local_routes = {"198.18/15"};
  expect_refused(plan, "box plan: not an address: 198.18/15");
}

TEST(Setup, TooManyDescriptorsAreRefused) {
  Plan plan = plan_with_views();
  for (std::uint16_t port = 1; port <= 300; ++port) {
    plan.sockets.push_back({false, "127.0.0.1", port});
  }
  expect_refused(plan,
                 "box plan: 309 views and sockets are too many, at most 250 can be handed out");
}

TEST(Setup, KnownFailuresHaveAHint) {
  Context context;
  int hints = 0;
  for (const Step& step : compile(plan_with_views(), context)) {
    hints += hint(step, EACCES).empty() ? 0 : 1;
    EXPECT_FALSE(hint(step, ENOSYS).empty());
    EXPECT_TRUE(hint(step, EXDEV).empty());
  }
  EXPECT_GE(hints, 3);
}

}  // namespace
}  // namespace agentbox::box
