#include "resolver/local_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "resolver/backends/local.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;

Secret secret(std::string_view text) { return Secret(text); }

class LocalStoreTest : public testing::Test {
 protected:
  LocalStore store() { return LocalStore(directory_); }

  std::string get(const std::string& name) {
    std::optional<Value> value = store().get(name);
    return value ? value->version + ":" + std::string(value->secret.reveal()) : "absent";
  }

  // What get() reports, or "" if it works.
  std::string failure(const std::string& name) {
    try {
      store().get(name);
      return "";
    } catch (const StoreError& error) {
      return failure_name(error.failure());
    }
  }

  Json document() { return Json::parse(temporary_.read("local/store.json")); }
  void write(const Json& json) { temporary_.write("local/store.json", json.dump()); }

  Temporary temporary_;
  std::string directory_ = temporary_ / "local";
};

TEST_F(LocalStoreTest, KeepsValuesAndCountsVersions) {
  EXPECT_EQ(get("a"), "absent");
  EXPECT_TRUE(store().list().empty());
  EXPECT_FALSE(store().remove("a"));
  EXPECT_FALSE(store().exists());
  EXPECT_EQ(store().set("a", secret("one\n")), 1u);
  EXPECT_EQ(store().set("a", secret("two")), 2u);
  EXPECT_EQ(store().set("team/b.c-d_E", secret(std::string(100000, 'x'))), 1u);
  EXPECT_EQ(get("a"), "2:two");
  EXPECT_EQ(get("team/b.c-d_E"), "1:" + std::string(100000, 'x'));
  const std::vector<LocalStore::Entry> entries = store().list();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].version, 2u);
  EXPECT_GT(entries[0].time, 0);
  EXPECT_TRUE(store().remove("a"));
  EXPECT_FALSE(store().remove("a"));
  EXPECT_EQ(get("a"), "absent");
}

TEST_F(LocalStoreTest, AddsOnlyToAFreeName) {
  EXPECT_EQ(store().add("a", secret("one")), 1u);
  EXPECT_EQ(store().add("a", secret("one")), 1u);
  EXPECT_EQ(store().add("a", secret("two")), 0u);
  EXPECT_EQ(get("a"), "1:one");
  EXPECT_EQ(store().set("a", secret("two")), 2u);
  EXPECT_EQ(store().add("a", secret("two")), 2u);
}

TEST_F(LocalStoreTest, FilesArePrivateAndHoldNoValue) {
  store().set("a", secret("CANARY-in-the-store"));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    struct stat status = {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0u) << entry.path();
    const std::string text = temporary_.read("local/" + entry.path().filename().string());
    EXPECT_EQ(text.find("CANARY"), std::string::npos) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3u);  // store.json, key, lock: no temporary is left
}

TEST_F(LocalStoreTest, RefusesNamesAndValues) {
  for (const std::string name : {"", "/a", "a/", "a//b", "a b", "a\n", "\xc3\xa9", "$a"}) {
    EXPECT_THROW(store().set(name, secret("x")), StoreError) << name;
    EXPECT_THROW(store().get(name), StoreError) << name;
  }
  EXPECT_THROW(store().set("a", Secret()), StoreError);
  EXPECT_THROW(store().set("a", Secret((1u << 20) + 1)), StoreError);
  EXPECT_FALSE(store().exists());
}

TEST_F(LocalStoreTest, FindsSwappedValues) {
  store().set("a", secret("value of a"));
  store().set("b", secret("value of b"));
  Json json = document();
  std::swap(json["secrets"]["a"], json["secrets"]["b"]);
  write(json);
  EXPECT_EQ(failure("a"), "invalid_response");
  std::swap(json["secrets"]["a"], json["secrets"]["b"]);
  write(json);
  EXPECT_EQ(get("a"), "1:value of a");  // the control
}

TEST_F(LocalStoreTest, FindsAnOldValueUnderANewVersion) {
  store().set("a", secret("old"));
  const Json old = document()["secrets"]["a"];
  store().set("a", secret("new"));
  Json json = document();
  json["secrets"]["a"]["box"] = old["box"];
  json["secrets"]["a"]["nonce"] = old["nonce"];
  write(json);
  EXPECT_EQ(failure("a"), "invalid_response");
}

TEST_F(LocalStoreTest, FindsEveryDamage) {
  store().set("a", secret("value"));
  const std::string whole = temporary_.read("local/store.json");
  for (std::size_t size = 0; size + 2 < whole.size(); size += 7) {
    temporary_.write("local/store.json", whole.substr(0, size));
    EXPECT_EQ(failure("a"), "invalid_response") << size;
    EXPECT_THROW(store().set("b", secret("x")), StoreError) << size;
    EXPECT_THROW(store().list(), StoreError) << size;
  }
  for (const char* field : {"format", "id", "key", "check", "secrets"}) {
    Json json = Json::parse(whole);
    json.erase(field);
    write(json);
    EXPECT_EQ(failure("a"), "invalid_response") << field;
  }
  temporary_.write("local/store.json", whole);
  EXPECT_EQ(get("a"), "1:value");
}

TEST_F(LocalStoreTest, RefusesAKeyThatOthersMayRead) {
  store().set("a", secret("value"));
  const std::string key = directory_ + "/key";
  for (const mode_t mode : {0640u, 0604u, 0660u, 0601u}) {
    ASSERT_EQ(::chmod(key.c_str(), mode), 0);
    EXPECT_EQ(failure("a"), "permission_denied") << mode;
  }
  ASSERT_EQ(::chmod(key.c_str(), 0600), 0);
  EXPECT_EQ(failure("a"), "");
  ASSERT_EQ(::chmod(directory_.c_str(), 0770), 0);
  EXPECT_EQ(failure("a"), "permission_denied");
}

TEST_F(LocalStoreTest, RefusesAnotherUsersKey) {
  store().set("a", secret("value"));
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file to another user";
  }
  ASSERT_EQ(::chown((directory_ + "/key").c_str(), 1, 1), 0);
  EXPECT_EQ(failure("a"), "permission_denied");
}

TEST_F(LocalStoreTest, RefusesAKeyThatIsALink) {
  store().set("a", secret("value"));
  std::filesystem::rename(directory_ + "/key", temporary_ / "elsewhere");
  EXPECT_EQ(failure("a"), "auth_failed");  // missing
  std::filesystem::create_symlink(temporary_ / "elsewhere", directory_ + "/key");
  EXPECT_EQ(failure("a"), "permission_denied");
}

TEST_F(LocalStoreTest, TellsAForeignKeyFromDamage) {
  store().set("a", secret("value"));
  temporary_.write("local/key", std::string(32, 'k'));
  EXPECT_EQ(failure("a"), "auth_failed");
  EXPECT_THROW(store().set("a", secret("x")), StoreError);
  temporary_.write("local/key", "short");
  EXPECT_EQ(failure("a"), "auth_failed");
}

TEST_F(LocalStoreTest, OpensWithAPassphrase) {
  int asked = 0;
  const auto with = [&](const char* passphrase) {
    return LocalStore(directory_, [&asked, passphrase] {
      ++asked;
      return Secret(std::string_view(passphrase));
    });
  };
  LocalStore right = with("correct horse");
  right.create(LocalStore::Key::kPassphrase);
  EXPECT_EQ(right.set("a", secret("value")), 1u);
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/key"));
  EXPECT_THROW(right.create(LocalStore::Key::kFile), StoreError);
  EXPECT_EQ(with("correct horse").get("a")->secret.reveal(), "value");
  try {
    with("wrong").get("a");
    ADD_FAILURE() << "a wrong passphrase was taken";
  } catch (const StoreError& error) {
    EXPECT_EQ(error.failure(), Failure::kAuthFailed);
    EXPECT_EQ(std::string(error.what()).find("wrong passphrase"), 0u);
  }
  EXPECT_EQ(failure("a"), "auth_required");  // nobody to ask
  EXPECT_EQ(store().list().size(), 1u);      // needs no key
}

TEST_F(LocalStoreTest, RefusesParametersThatWouldTakeAllMemory) {
  LocalStore store(directory_, [] { return Secret(std::string_view("p")); });
  store.create(LocalStore::Key::kPassphrase);
  Json json = document();
  json["key"]["memory"] = 1ull << 40;
  write(json);
  EXPECT_EQ(failure("a"), "invalid_response");
}

// Each process keeps its own values, and nobody's are lost.
TEST_F(LocalStoreTest, WritersWaitForEachOther) {
  constexpr int kWriters = 4;
  constexpr int kEach = 10;
  std::vector<pid_t> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      try {
        for (int i = 0; i < kEach; ++i) {
          store().set("w" + std::to_string(writer) + "/" + std::to_string(i), secret("x"));
          store().set("shared", secret("y"));
        }
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    writers.push_back(pid);
  }
  for (const pid_t pid : writers) {
    int status = 1;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(store().list().size(), static_cast<std::size_t>(kWriters * kEach + 1));
  EXPECT_EQ(get("shared"), std::to_string(kWriters * kEach) + ":y");
}

TEST_F(LocalStoreTest, BackendAnswersEachReference) {
  store().set("database", secret("value"));
  LocalBackend backend(directory_);
  const std::vector<Answer> answers =
      backend.resolve({parse_reference("local://database"), parse_reference("local://databse")},
                      std::chrono::steady_clock::now());
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(std::get<Value>(answers[0]).secret.reveal(), "value");
  EXPECT_EQ(std::get<Value>(answers[0]).version, "1");
  const Failed& failed = std::get<Failed>(answers[1]);
  EXPECT_EQ(failed.failure, Failure::kNotFound);
  EXPECT_NE(failed.hint.find("did you mean database?"), std::string::npos) << failed.hint;
}

}  // namespace
}  // namespace agentbox::resolver
