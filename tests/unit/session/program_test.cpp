#include "launcher/session/program.h"

#include "base/error.h"
#include "tests/unit/session/place.h"

namespace agentbox::session {
namespace {

using base::Status;

class ProgramTest : public Place {
 protected:
  Status failure(const std::string& name, const std::string& search_path) {
    try {
      find_program(name, search_path, root_, [this](const std::string& path) {
        return path.find("/hidden/") == std::string::npos;
      });
    } catch (const base::Error& error) {
      return error.status();
    }
    ADD_FAILURE() << "found " << name;
    return Status::kFailed;
  }
};

TEST_F(ProgramTest, TakesTheFirstExecutableOfThePath) {
  write("a/tool", "", 0644);
  write("b/tool", "", 0755);
  write("c/tool", "", 0755);
  EXPECT_EQ(find_program("tool", path("a") + ":" + path("b") + ":" + path("c"), root_,
                         [](const std::string&) { return true; }),
            path("b/tool"));
}

TEST_F(ProgramTest, PassesByWhatTheBoxDoesNotShow) {
  write("hidden/tool", "", 0755);
  write("b/tool", "", 0755);
  EXPECT_EQ(find_program("tool", path("hidden") + ":" + path("b"), root_,
                         [](const std::string& entry) {
                           return entry.find("/hidden") == std::string::npos;
                         }),
            path("b/tool"));
}

TEST_F(ProgramTest, NeverSearchesARelativeDirectory) {
  write("tool", "", 0755);
  EXPECT_EQ(failure("tool", ".::bin"), Status::kNotFound);
}

TEST_F(ProgramTest, TellsTheFailuresApart) {
  write("a/tool", "", 0644);
  write("hidden/tool", "", 0755);
  EXPECT_EQ(failure("tool", path("a")), Status::kCannotRun);
  EXPECT_EQ(failure("other", path("a")), Status::kNotFound);
  EXPECT_EQ(failure("tool", path("hidden")), Status::kNotFound);
  EXPECT_EQ(failure("./a/tool", ""), Status::kCannotRun);
  EXPECT_EQ(failure("./a", ""), Status::kNotFound);
}

TEST_F(ProgramTest, WantsTheLinksTargetVisibleToo) {
  write("hidden/tool", "", 0755);
  std::filesystem::create_directories(path("bin"));
  std::filesystem::create_symlink(path("hidden/tool"), path("bin/tool"));
  EXPECT_EQ(failure("tool", path("bin")), Status::kNotFound);
}

TEST_F(ProgramTest, KeepsVisibleAbsoluteEntriesOnce) {
  EXPECT_EQ(visible_path("/usr/bin:.::/hidden/x:/usr/bin:/bin",
                         [](const std::string& entry) {
                           return entry.find("hidden") == std::string::npos;
                         }),
            "/usr/bin:/bin");
  EXPECT_EQ(visible_path("", [](const std::string&) { return true; }),
            "/usr/local/bin:/usr/bin:/bin");
}

}  // namespace
}  // namespace agentbox::session
