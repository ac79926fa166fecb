// Times several commands against each other: launch_timer ROUNDS [DIRECTORY NAME COMMAND… ';']…
//
// In each round every command runs once, in an order shuffled anew, so that whatever the machine
// does meanwhile hits all alike. Time is from just before posix_spawn to the return of waitpid.
// glibc's posix_spawn shares the memory of this small process until exec (CLONE_VFORK), so the
// measure itself adds little and the same to all. Prints a table in Markdown.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

struct Contestant {
  std::string directory;
  std::string name;
  std::vector<char*> arguments;  // ends with nullptr; the strings are main's
  std::vector<double> milliseconds;
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "launch_timer: %s\n", message.c_str());
  std::exit(1);
}

std::vector<Contestant> parse(char** from, char** end) {
  std::vector<Contestant> contestants;
  while (from != end) {
    if (end - from < 4) {
      fail("expected DIRECTORY NAME COMMAND ';'");
    }
    Contestant one = {.directory = from[0], .name = from[1], .arguments = {}, .milliseconds = {}};
    for (from += 2; from != end && std::strcmp(*from, ";") != 0; ++from) {
      one.arguments.push_back(*from);
    }
    if (from == end || one.arguments.empty()) {
      fail("the command of " + one.name + " is empty or does not end with ';'");
    }
    ++from;
    one.arguments.push_back(nullptr);
    contestants.push_back(std::move(one));
  }
  return contestants;
}

// One start to end, in milliseconds. Standard input and output are /dev/null.
double run(const Contestant& contestant) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, contestant.directory.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const auto start = std::chrono::steady_clock::now();
  pid_t child = -1;
  const int error = posix_spawnp(&child, contestant.arguments.front(), &actions, nullptr,
                                 contestant.arguments.data(), environ);
  if (error != 0) {
    fail(contestant.name + ": " + std::strerror(error));
  }
  int status = -1;
  if (::waitpid(child, &status, 0) != child) {
    fail(contestant.name + ": waitpid: " + std::strerror(errno));
  }
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) {
    fail(contestant.name + " failed with wait status " + std::to_string(status));
  }
  return elapsed.count();
}

// `sorted` is not empty; the value below which `share` of the measurements lie.
double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = position - static_cast<double>(below);
  return sorted[below] + (sorted[above] - sorted[below]) * part;
}

void print_table(std::vector<Contestant>& contestants) {
  std::printf("| | median | 10 %% to 90 %% | × %s | × %s |\n|---|---|---|---|---|\n",
              contestants[0].name.c_str(), contestants[1].name.c_str());
  for (Contestant& one : contestants) {
    std::sort(one.milliseconds.begin(), one.milliseconds.end());
  }
  const double first = quantile(contestants[0].milliseconds, 0.5);
  const double second = quantile(contestants[1].milliseconds, 0.5);
  for (const Contestant& one : contestants) {
    const double median = quantile(one.milliseconds, 0.5);
    std::printf("| %s | %.2f ms | %.2f to %.2f | %.1f | %.2f |\n", one.name.c_str(), median,
                quantile(one.milliseconds, 0.1), quantile(one.milliseconds, 0.9), median / first,
                median / second);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fail("usage: launch_timer ROUNDS [DIRECTORY NAME COMMAND… ';']…");
  }
  const int rounds = std::atoi(argv[1]);
  std::vector<Contestant> contestants = parse(argv + 2, argv + argc);
  if (rounds < 1 || contestants.size() < 2) {
    fail("at least one round and two commands are needed");
  }
  std::vector<Contestant*> order;
  for (Contestant& one : contestants) {
    order.push_back(&one);
  }
  std::mt19937 shuffle(20240229);
  constexpr int kWarmUp = 3;
  for (int round = -kWarmUp; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), shuffle);
    for (Contestant* one : order) {
      const double elapsed = run(*one);
      if (round >= 0) {
        one->milliseconds.push_back(elapsed);
      }
    }
    if (isatty(STDERR_FILENO) == 1) {
      std::fprintf(stderr, "\rround %d of %d", round + 1, rounds);
    }
  }
  if (isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "\r%30s\r", "");
  }
  print_table(contestants);
}
