// Indexes that git itself wrote, and what git reads of those that we write.
#include "launcher/view/git_index.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace agentbox::view {
namespace {

class Repository {
 public:
  explicit Repository(const std::string& more, const std::string& options = "") {
    if (::mkdtemp(path_.data()) == nullptr) {
      ADD_FAILURE() << "mkdtemp failed";
    }
    git("git init -q " + options +
        " .; mkdir -p d/e; for i in $(seq 30); do echo $i > d/e/file$i; done; echo s > .env;"
        "echo k > d/key.pem; ln -s d link; git add -A -f; git -c user.name=a -c user.email=a@b"
        " commit -qm one; git status;" +
        more);
  }
  ~Repository() { std::filesystem::remove_all(path_); }

  // Its output.
  std::string git(const std::string& script) {
    const std::string file = path_ + "/.git.output";
    const std::string command = "cd '" + path_ + "' && export HOME=/nonexistent" +
                                " GIT_CONFIG_NOSYSTEM=1 && { " + script + "\n} >'" + file +
                                "' 2>&1";
    status_ = ::system(command.c_str());
    std::string output = bytes(file);
    std::filesystem::remove(file);
    return output;
  }
  int status() const { return status_; }
  const std::string& path() const { return path_; }
  std::string index() { return bytes(path_ + "/.git/index"); }
  void put_index(const std::string& bytes) {
    std::ofstream(path_ + "/.git/index", std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  static std::string bytes(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::string path_ = std::filesystem::temp_directory_path().string() + "/index.XXXXXX";
  int status_ = 0;
};

std::vector<bool> bits(const GitIndex& index) {
  std::vector<bool> bits;
  for (const GitIndex::Entry& entry : index.entries()) {
    bits.push_back(entry.skip_worktree);
  }
  return bits;
}

std::vector<bool> with(const GitIndex& index, std::string_view path) {
  std::vector<bool> changed = bits(index);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    changed[i] = changed[i] || index.entries()[i].path == path;
  }
  return changed;
}

struct Form {
  const char* name;
  const char* script;
  const char* options;
};

class GitIndexForms : public testing::TestWithParam<Form> {};

TEST_P(GitIndexForms, AreReadAndWrittenAsGitDoes) {
  Repository repository(GetParam().script, GetParam().options);
  ASSERT_EQ(repository.status(), 0);
  const std::string before = repository.index();
  const auto index = GitIndex::parse(before);
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->checksum_holds());
  ASSERT_NE(index->find(".env"), nullptr);
  EXPECT_FALSE(index->find(".env")->skip_worktree);
  EXPECT_EQ(index->find("d/e"), nullptr);
  std::string names;
  for (const GitIndex::Entry& entry : index->entries()) {
    names += std::string(entry.path) + "\n";
  }
  EXPECT_EQ(repository.git("git ls-files"), names);

  // The bit is set as git sets it, and nothing else is another.
  const std::string stages = repository.git("git ls-files -s --debug | grep -v flags:");
  repository.put_index(index->with_skip_worktree(with(*index, ".env")));
  EXPECT_EQ(repository.git("git ls-files -v | grep ^S"), "S .env\n");
  EXPECT_EQ(repository.git("git ls-files -s --debug | grep -v flags:"), stages);
  EXPECT_EQ(repository.git("git fsck"), "");
  const std::string shown = repository.index();
  const auto again = GitIndex::parse(shown);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->checksum_holds());
  EXPECT_TRUE(again->find(".env")->skip_worktree);
  // And taken off again, to the byte what it would be had it never been there.
  EXPECT_EQ(again->with_skip_worktree(bits(*index)), index->with_skip_worktree(bits(*index)));
  // Git's own bit is read as well.
  repository.git("git update-index --skip-worktree d/key.pem");
  const std::string own = repository.index();
  const auto marked = GitIndex::parse(own);
  ASSERT_TRUE(marked);
  EXPECT_TRUE(marked->find("d/key.pem")->skip_worktree);
}

TEST_P(GitIndexForms, BrokenOnesAreNotTaken) {
  Repository repository(GetParam().script, GetParam().options);
  const std::string good = repository.index();
  std::minstd_rand random(7);
  const auto must_not_hold = [&](const std::string& bytes) {
    const auto index = GitIndex::parse(bytes);
    if (index && !index->entries().empty()) {
      EXPECT_FALSE(index->checksum_holds());
      const std::string rewritten = index->with_skip_worktree(with(*index, ".env"));
      const auto again = GitIndex::parse(rewritten);
      EXPECT_TRUE(again && again->entries().size() == index->entries().size());
    }
  };
  for (std::size_t length = 0; length < good.size(); ++length) {
    must_not_hold(good.substr(0, length));
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    // Not in the checksum, which may become all zeros; the first bytes are where the structure is.
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % (random() % 2 == 0 ? 200 : bytes.size() - 32);
      bytes[at] = static_cast<char>(bytes[at] + static_cast<char>(1 + random() % 255));
    }
    if (bytes != good) {
      must_not_hold(bytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GitIndexForms,
    testing::Values(Form{"two", "git update-index --index-version 2", ""},
                    Form{"three", "echo x > later; git add -N later", ""},
                    Form{"four", "git update-index --index-version 4", ""},
                    Form{"sha256", "true", "--object-format=sha256"},
                    Form{"offsets", "git config index.threads 4; git add -A", ""},
                    Form{"untracked",
                         "git update-index --untracked-cache --force-untracked-cache; git status",
                         ""}),
    [](const auto& form) { return form.param.name; });

TEST(GitIndex, StaysTheSameWithoutABit) {
  Repository repository("git update-index --index-version 2");
  const std::string bytes = repository.index();
  const auto index = GitIndex::parse(bytes);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->with_skip_worktree(bits(*index)), bytes);
}

TEST(GitIndex, DropsWhatGitRemembersOfTheWorktree) {
  Repository repository("git update-index --untracked-cache --force-untracked-cache; git status");
  const std::string bytes = repository.index();
  const auto index = GitIndex::parse(bytes);
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->remembers_worktree());
  EXPECT_NE(bytes.find("UNTR"), std::string::npos);
  EXPECT_EQ(index->with_skip_worktree(bits(*index)).find("UNTR"), std::string::npos);
}

TEST(GitIndex, KeepsAMissingChecksumMissing) {
  Repository repository("true");
  std::string bytes = repository.index();
  bytes.replace(bytes.size() - 20, 20, 20, '\0');
  const auto index = GitIndex::parse(bytes);
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->checksum_holds());
  EXPECT_EQ(index->with_skip_worktree(bits(*index)), bytes);
}

TEST(GitIndex, TellsStagesAndSubmodules) {
  Repository repository(
      "h=$(git rev-parse HEAD:.env); printf '0 %040d\\t.env\\n100644 '$h' 1\\t.env\\n100644 '$h'"
      " 2\\t.env\\n160000 '$(git rev-parse HEAD)'\\tsub\\n' 0 | git update-index --index-info");
  const std::string bytes = repository.index();
  const auto index = GitIndex::parse(bytes);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->entries()[0].path, ".env");
  EXPECT_EQ(index->entries()[0].stage, 1u);
  EXPECT_EQ(index->entries()[1].stage, 2u);
  EXPECT_EQ(index->find(".env"), nullptr);
  ASSERT_NE(index->find("sub"), nullptr);
  EXPECT_TRUE(index->find("sub")->submodule);
}

TEST(GitIndex, TellsWhichFilesGitWouldRead) {
  // Everything is older than the index, as it is a second after.
  Repository repository(
      "touch -d '1 minute ago' d/e/*; git status; sleep 1.1; touch d/e/file1;"
      "git update-index --refresh; touch d/e/file2; echo 33 > d/e/file3");
  const std::string bytes = repository.index();
  const auto index = GitIndex::parse(bytes);
  ASSERT_TRUE(index);
  struct stat status;
  ASSERT_EQ(::stat((repository.path() + "/.git/index").c_str(), &status), 0);
  const auto unchanged = [&](const std::string& path) {
    struct stat file;
    EXPECT_EQ(::stat((repository.path() + "/" + path).c_str(), &file), 0);
    return index->unchanged(*index->find(path), file, status);
  };
  EXPECT_TRUE(unchanged("d/e/file9"));
  EXPECT_FALSE(unchanged("d/e/file2"));
  EXPECT_FALSE(unchanged("d/e/file3"));
  status.st_mtim = {.tv_sec = 1, .tv_nsec = 0};  // an index as old as the file is in doubt
  EXPECT_FALSE(unchanged("d/e/file9"));
}

TEST(GitIndex, RefusesWhatItDoesNotUnderstand) {
  Repository repository("git update-index --split-index");
  EXPECT_FALSE(GitIndex::parse(repository.index()));
  Repository plain("true");
  const std::string bytes = plain.index();
  const auto with_extension = [&](const std::string& name) {
    return bytes.substr(0, bytes.size() - 20) + name + std::string(4, '\0') + std::string(20, '\0');
  };
  EXPECT_TRUE(GitIndex::parse(with_extension("ABCD")));  // the control: git may pass it over
  EXPECT_FALSE(GitIndex::parse(with_extension("abcd")));
  EXPECT_FALSE(GitIndex::parse(""));
  EXPECT_FALSE(GitIndex::parse(std::string(100, '\0')));
  EXPECT_FALSE(GitIndex::parse("DIRC" + bytes.substr(4, 3) + '\5' + bytes.substr(8)));
}

}  // namespace
}  // namespace agentbox::view
