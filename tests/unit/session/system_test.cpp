#include "launcher/session/system.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace agentbox::session {
namespace {

const Identity kIdentity = {.uid = 1000, .gid = 1000, .name = "ada", .group = "ada",
                            .home = "/home/ada", .shell = "/bin/bash"};

TEST(System, ShowsTheSystemAndNotTheMachine) {
  box::Plan plan;
  add_system(kIdentity, {}, plan);
  const auto shown = [&](const std::string& path) {
    return std::any_of(plan.binds.begin(), plan.binds.end(),
                       [&](const box::Bind& bind) { return bind.target == path; });
  };
  EXPECT_TRUE(shown("/usr"));
  for (const char* path : {"/", "/etc", "/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/var", "/home",
                           "/root", "/run", "/srv", "/mnt"}) {
    EXPECT_FALSE(shown(path)) << path;
  }
  EXPECT_TRUE(std::none_of(plan.binds.begin(), plan.binds.end(),
                           [](const box::Bind& bind) { return bind.writable; }));
}

TEST(System, RefusesToShowWhatIsNoSystem) {
  for (const char* path : {"relative", "/", "/home/ada", "/home", "/proc", "/run/user", "/usr/../home",
                           "/dev", "/root/x"}) {
    policy::Policy policy;
    policy.system.push_back({path, {"policy.json", 1, 1}});
    box::Plan plan;
    EXPECT_THROW(add_system(kIdentity, policy, plan), base::Error) << path;
  }
  policy::Policy policy;
  policy.system.push_back({"/srv/tools", {"policy.json", 1, 1}});
  box::Plan plan;
  add_system(kIdentity, policy, plan);
  EXPECT_TRUE(system_shows(policy, "/srv/tools/bin/x"));
  EXPECT_FALSE(system_shows(policy, "/srv/toolshed"));
}

}  // namespace
}  // namespace agentbox::session
