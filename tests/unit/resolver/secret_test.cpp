#include "resolver/secret.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace agentbox::resolver {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Streamable<Secret> && Streamable<std::string>);

// The VmFlags of the mapping that holds the address (proc_pid_smaps(5)).
std::string flags_at(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> start >> dash >> end && dash == '-') {
      inside = wanted >= start && wanted < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line.substr(8) + " ";
    }
  }
  return "";
}

TEST(Secret, IsLockedAndNotDumped) {
  const auto control = std::make_unique<std::vector<char>>(1 << 20);
  EXPECT_EQ(flags_at(control->data()).find(" lo "), std::string::npos);
  EXPECT_EQ(flags_at(control->data()).find(" dd "), std::string::npos);
  for (const std::size_t size : {1u, 100u, 4080u, 4096u, 70000u}) {
    Secret secret(size);
    for (const std::size_t at : {std::size_t{0}, size - 1}) {
      const std::string flags = flags_at(secret.reveal().data() + at);
      EXPECT_NE(flags.find(" lo "), std::string::npos) << size << flags;
      EXPECT_NE(flags.find(" dd "), std::string::npos) << size << flags;
    }
  }
}

TEST(Secret, IsNotInherited) {
  const Secret secret(std::string_view("canary"));
  const std::string ordinary = "canary";  // the control: an ordinary copy is there in the child
  const pid_t child = ::fork();
  if (child == 0) {
    const bool wiped = secret.reveal() == std::string_view("\0\0\0\0\0\0", 6);
    ::_exit(wiped && ordinary == "canary" ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(secret.reveal(), "canary");
}

TEST(Secret, IsZeroedAtFirstAndGoneAfterwards) {
  const char* address = nullptr;
  {
    Secret secret(64);
    EXPECT_EQ(secret.reveal(), std::string(64, '\0'));
    address = secret.reveal().data();
    EXPECT_NE(flags_at(address), "");
  }
  EXPECT_EQ(flags_at(address), "");
}

TEST(Secret, GuardPagesStopAnOverflow) {
  EXPECT_DEATH(
      {
        Secret secret(16);
        volatile char* data = secret.bytes().data();
        data[16] = 'x';
      },
      "");
}

TEST(Secret, MovesAndClones) {
  Secret first{std::string_view("value")};
  Secret second = std::move(first);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second.reveal(), "value");
  const Secret copy = second.clone();
  second.bytes()[0] = 'V';
  EXPECT_EQ(copy.reveal(), "value");
  EXPECT_FALSE(equal(copy, second));
  EXPECT_TRUE(equal(copy, copy.clone()));
  EXPECT_FALSE(equal(copy, Secret(std::string_view("valu"))));
  EXPECT_TRUE(equal(Secret(), Secret(std::string_view(""))));
}

TEST(Secret, ShrinkWipesTheTail) {
  Secret secret{std::string_view("0123456789")};
  const char* data = secret.reveal().data();
  secret.shrink(4);
  EXPECT_EQ(secret.reveal(), "0123");
  EXPECT_EQ(std::string_view(data + 4, 6), std::string(6, '\0'));
}

// In a process of its own, because a hard limit cannot be raised again.
TEST(Secret, FailsIfMemoryCannotBeLocked) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    int status = 1;
    // CAP_IPC_LOCK, which root has, makes mlock(2) ignore the limit.
    if (::geteuid() == 0 && ::setuid(65534) != 0) {
      ::_exit(3);
    }
    const struct rlimit none = {8192, 8192};
    ::setrlimit(RLIMIT_MEMLOCK, &none);
    try {
      Secret small(10);  // the positive control: one page fits
      status = 2;
      Secret large(100000);
    } catch (const base::Error& error) {
      const std::string hint = error.hint();
      status = status == 2 && hint.find("ulimit -l") != std::string::npos ? 0 : 4;
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SecretBuilder, KeepsEveryByte) {
  SecretBuilder builder;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 37), static_cast<char>(i));
    builder.append(piece);
    expected += piece;
  }
  EXPECT_EQ(builder.size(), expected.size());
  const Secret secret = builder.take();
  EXPECT_TRUE(secret.reveal() == expected);
  EXPECT_EQ(builder.size(), 0u);
  builder.append("again");
  EXPECT_EQ(builder.take().reveal(), "again");
  EXPECT_TRUE(builder.take().empty());
}

TEST(Wipe, ClearsWhatTheStringHeld) {
  std::string text(100, 'x');
  const char* data = text.data();
  text.resize(10);
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string_view(data, 100), std::string(100, '\0'));
}

TEST(ReadSecret, ReadsToTheEndWithinTheLimit) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  ASSERT_EQ(::write(writer.get(), "value \n", 7), 7);
  writer.reset();
  EXPECT_EQ(read_secret(reader.get(), 7, "input").reveal(), "value \n");
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd second(ends[0]);
  writer.reset(ends[1]);
  ASSERT_EQ(::write(writer.get(), "value \n", 7), 7);
  writer.reset();
  EXPECT_THROW(read_secret(second.get(), 6, "input"), base::Error);
}

}  // namespace
}  // namespace agentbox::resolver
