#include "launcher/session/project.h"

#include <unistd.h>

#include "base/error.h"
#include "tests/unit/session/place.h"

namespace agentbox::session {
namespace {

using ProjectTest = Place;

TEST_F(ProjectTest, IsTheNearestPolicyBeforeAnyRepository) {
  write("home/work/agentbox.json", "{}");
  write("home/work/app/.git/HEAD", "ref: refs/heads/main\n");
  write("home/work/app/src/x", "");
  const Project project = find_project(path("home/work/app/src"), path("home"));
  EXPECT_EQ(project.root, path("home/work"));
  EXPECT_EQ(project.policy_file, path("home/work/agentbox.json"));
  EXPECT_EQ(project.working_directory, path("home/work/app/src"));
}

TEST_F(ProjectTest, IsElseTheRepositoryElseWhereTheUserStands) {
  write("home/app/.git/HEAD", "");
  write("home/app/src/x", "");
  write("home/plain/x", "");
  EXPECT_EQ(find_project(path("home/app/src"), path("home")).root, path("home/app"));
  EXPECT_EQ(find_project(path("home/plain"), path("home")).root, path("home/plain"));
}

TEST_F(ProjectTest, NeverTakesAPolicyFromTheHomeItself) {
  write("home/agentbox.json", "{}");
  write("home/plain/x", "");
  const Project project = find_project(path("home/plain"), path("home"));
  EXPECT_EQ(project.root, path("home/plain"));
  EXPECT_EQ(project.policy_file, "");
}

TEST_F(ProjectTest, RefusesTheHomeAndWhatHoldsIt) {
  write("home/x", "");
  for (const std::string& place : {path("home"), root_, std::string("/")}) {
    EXPECT_THROW(find_project(place, path("home")), base::Error) << place;
  }
}

TEST_F(ProjectTest, RefusesAPolicyOfSomebodyElse) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to give a file away";
  }
  write("home/app/agentbox.json", "{}");
  ASSERT_EQ(find_project(path("home/app"), path("home")).root, path("home/app"));
  ASSERT_EQ(::chown(path("home/app/agentbox.json").c_str(), 12345, 12345), 0);
  EXPECT_THROW(find_project(path("home/app"), path("home")), base::Error);
}

}  // namespace
}  // namespace agentbox::session
