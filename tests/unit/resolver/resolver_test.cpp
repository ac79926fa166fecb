#include "resolver/resolver.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <filesystem>
#include <random>
#include <thread>

#include "base/error.h"
#include "resolver/backends/env.h"
#include "resolver/backends/file.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLimit(5000);

// Answers with what a function makes of each reference.
class Fake : public Backend {
 public:
  using Make = std::function<Answer(const Reference&)>;
  explicit Fake(Make make, bool waits = false) : make_(std::move(make)), waits_(waits) {}
  std::string name() const override { return "fake"; }
  bool waits() const override { return waits_; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              steady_clock::time_point) override {
    ++batches;
    std::vector<Answer> answers;
    for (const Reference& reference : references) {
      ++asked;
      thread = std::this_thread::get_id();
      answers.push_back(make_(reference));
    }
    return answers;
  }

  int batches = 0;
  int asked = 0;
  std::thread::id thread;

 private:
  Make make_;
  bool waits_;
};

Answer echo(const Reference& reference) {
  return Value{Secret("value of " + reference.path.at(0)), "7"};
}

std::vector<Reference> parse(const std::vector<std::string>& texts) {
  std::vector<Reference> references;
  for (const std::string& text : texts) {
    references.push_back(parse_reference(text));
  }
  return references;
}

std::string text(const Answer& answer) {
  if (const Value* value = std::get_if<Value>(&answer)) {
    return std::string(value->secret.reveal());
  }
  return std::string("failed: ") + failure_name(std::get<Failed>(answer).failure);
}

TEST(Resolver, AnswersEachReferenceInOrder) {
  std::mt19937 random(7);  // always the same
  for (int round = 0; round < 50; ++round) {
    Resolver resolver;
    const auto local = std::make_shared<Fake>(echo);
    const auto env = std::make_shared<Fake>(echo, round % 2 == 0);
    const auto vault = std::make_shared<Fake>(echo, true);
    resolver.add("local", local);
    resolver.add("env", env);
    resolver.add("vault", vault);
    std::vector<std::string> texts;
    for (std::size_t i = random() % 30; i > 0; --i) {
      static const char* const kSchemes[] = {"local", "env", "vault"};
      texts.push_back(std::string(kSchemes[random() % 3]) + "://N" + std::to_string(random() % 9));
    }
    const std::vector<Resolution> resolutions = resolver.resolve(parse(texts), kLimit);
    ASSERT_EQ(resolutions.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(resolutions[i].reference.text, texts[i]);
      EXPECT_EQ(text(resolutions[i].answer), "value of " + resolutions[i].reference.path[0]);
      EXPECT_EQ(resolutions[i].backend, "fake");
    }
    EXPECT_LE(local->batches, 1);
    EXPECT_LE(local->asked, 9);
  }
}

TEST(Resolver, ResolvesRepetitionsOnce) {
  Resolver resolver;
  const auto fake = std::make_shared<Fake>(echo);
  resolver.add("local", fake);
  const std::vector<Resolution> resolutions =
      resolver.resolve(parse({"local://a", "local://b", "local://a", "local://a"}), kLimit);
  EXPECT_EQ(fake->asked, 2);
  EXPECT_EQ(text(resolutions[0].answer), "value of a");
  EXPECT_EQ(text(resolutions[3].answer), "value of a");
  EXPECT_EQ(std::get<Value>(resolutions[3].answer).version, "7");
}

TEST(Resolver, RefusesValuesThatCannotBeOne) {
  Resolver resolver;
  std::string value;
  resolver.add("local", std::make_shared<Fake>([&](const Reference&) {
                 return Value{Secret(value), ""};
               }));
  const auto answer = [&](const std::string& next) {
    value = next;
    return text(resolver.resolve(parse({"local://a"}), kLimit)[0].answer);
  };
  EXPECT_EQ(answer("x"), "x");
  EXPECT_EQ(answer(" \n"), " \n");
  EXPECT_EQ(answer(""), "failed: invalid_value");
  EXPECT_EQ(answer(std::string("a\0b", 3)), "failed: invalid_value");
  EXPECT_EQ(answer("op://v/i/f"), "failed: invalid_value");
  EXPECT_EQ(answer("https://example.com"), "https://example.com");
}

TEST(Resolver, StartsNoThreadUnlessTwoBackendsWait) {
  Resolver resolver;
  const auto local = std::make_shared<Fake>(echo, false);
  const auto env = std::make_shared<Fake>(echo, false);
  const auto vault = std::make_shared<Fake>(echo, true);
  resolver.add("local", local);
  resolver.add("env", env);
  resolver.add("vault", vault);
  resolver.resolve(parse({"local://a", "env://A", "vault://a"}), kLimit);
  for (const auto& backend : {local, env, vault}) {
    EXPECT_EQ(backend->thread, std::this_thread::get_id());
  }
}

TEST(Resolver, BackendsThatWaitRunSideBySide) {
  Resolver resolver;
  std::barrier meeting(3);  // nobody leaves before all three are there
  const auto meet = [&](const Reference& reference) {
    meeting.arrive_and_wait();
    return echo(reference);
  };
  resolver.add("vault", std::make_shared<Fake>(meet, true));
  resolver.add("doppler", std::make_shared<Fake>(meet, true));
  resolver.add("pass", std::make_shared<Fake>(meet, true));
  const std::vector<Resolution> resolutions =
      resolver.resolve(parse({"vault://a", "doppler://b", "pass://c"}), kLimit);
  EXPECT_EQ(text(resolutions[2].answer), "value of c");
}

TEST(Resolver, TellsForWhomItWaits) {
  Resolver resolver;
  std::size_t pending_in_vault = 0;
  std::size_t pending_in_local = 1;
  std::barrier meeting(2);
  resolver.add("pass", std::make_shared<Fake>(
                           [&](const Reference& reference) {
                             meeting.arrive_and_wait();
                             return echo(reference);
                           },
                           true));
  resolver.add("vault", std::make_shared<Fake>(
                            [&](const Reference& reference) {
                              pending_in_vault = resolver.pending().size();
                              meeting.arrive_and_wait();
                              return echo(reference);
                            },
                            true));
  // On the caller's thread, where it may ask for a passphrase.
  resolver.add("local", std::make_shared<Fake>([&](const Reference& reference) {
                 pending_in_local = resolver.pending().size();
                 return echo(reference);
               }));
  resolver.resolve(parse({"pass://a", "vault://b", "local://c"}), kLimit);
  EXPECT_EQ(pending_in_vault, 2U);
  EXPECT_EQ(pending_in_local, 0U);
  EXPECT_TRUE(resolver.pending().empty());
}

TEST(Resolver, ABackendThatThrowsFailsItsOwnBatch) {
  Resolver resolver;
  resolver.add("vault", std::make_shared<Fake>(
                            [](const Reference&) -> Answer {
                              throw base::Error(base::Status::kFailed, "no such luck", "try later");
                            },
                            true));
  resolver.add("pass", std::make_shared<Fake>(
                           [](const Reference&) -> Answer {
                             throw std::runtime_error("CANARY in a library's exception");
                           },
                           true));
  resolver.add("local", std::make_shared<Fake>(echo));
  const std::vector<Resolution> resolutions =
      resolver.resolve(parse({"vault://a", "pass://a", "local://a"}), kLimit);
  EXPECT_EQ(std::get<Failed>(resolutions[0].answer).message, "no such luck");
  EXPECT_EQ(std::get<Failed>(resolutions[0].answer).hint, "try later");
  EXPECT_EQ(std::get<Failed>(resolutions[1].answer).message.find("CANARY"), std::string::npos);
  EXPECT_EQ(text(resolutions[2].answer), "value of a");
}

TEST(EnvBackend, TakesTheEnvironmentItWasGiven) {
  const char* const environment[] = {"AB=x", "A=y=z", "E=", nullptr};
  EnvBackend backend(environment);
  const std::vector<Answer> answers =
      backend.resolve(parse({"env://A", "env://E", "env://B"}), steady_clock::now());
  EXPECT_EQ(text(answers[0]), "y=z");
  EXPECT_EQ(text(answers[1]), "");
  EXPECT_EQ(text(answers[2]), "failed: not_found");
}

TEST(FileBackend, ReadsRegularFilesAlone) {
  const Temporary directory;
  directory.write("value", " text\n");
  directory.write("big", std::string((1 << 20) + 1, 'x'));
  directory.write("with space", "s");
  std::filesystem::create_symlink(directory / "value", directory / "link");
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  FileBackend backend;
  const auto read = [&](const std::string& name) {
    return text(backend.resolve(parse({"file://" + directory / name}), steady_clock::now())[0]);
  };
  EXPECT_EQ(read("value"), " text\n");
  EXPECT_EQ(read("with%20space"), "s");
  EXPECT_EQ(read("big"), "failed: invalid_value");
  EXPECT_EQ(read("none"), "failed: not_found");
  EXPECT_EQ(read("link"), "failed: invalid_reference");
  EXPECT_EQ(read("fifo"), "failed: invalid_reference");
  if (::geteuid() != 0) {
    std::filesystem::permissions(directory / "value", std::filesystem::perms::none);
    EXPECT_EQ(read("value"), "failed: permission_denied");
  }
}

}  // namespace
}  // namespace agentbox::resolver
