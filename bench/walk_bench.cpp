// A walk that judges each name: walk_bench DIRECTORY. Warm: the first walk is not counted.
#include <benchmark/benchmark.h>
#include <dirent.h>
#include <fcntl.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "launcher/survey/walk.h"
#include "policy/floor.h"

namespace agentbox {
namespace {

const char* directory = ".";

std::size_t walk_once(const policy::FileRules* files, unsigned threads,
                      const survey::Visit& visit) {
  const base::UniqueFd root = base::open_at(AT_FDCWD, directory, O_PATH | O_DIRECTORY);
  std::atomic<std::size_t> names = 0;
  survey::Options options;
  options.root = root.get();
  options.files = files;
  options.threads = threads;
  options.progress = &names;
  survey::walk(options, visit);
  return names;
}

void count(benchmark::State& state, std::size_t names) {
  state.counters["names"] = static_cast<double>(names);
  state.counters["names/s"] =
      benchmark::Counter(static_cast<double>(names), benchmark::Counter::kIsIterationInvariantRate);
}

void walk_judging(benchmark::State& state) {
  const policy::FileRules rules(policy::floor_policy());
  std::size_t names = 0;
  for (auto step : state) {
    names = walk_once(&rules, static_cast<unsigned>(state.range(0)),
                      [](const survey::Entry&) { return true; });
  }
  count(state, names);
}
BENCHMARK(walk_judging)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

void walk_only(benchmark::State& state) {
  std::size_t names = 0;
  for (auto step : state) {
    names = walk_once(nullptr, static_cast<unsigned>(state.range(0)),
                      [](const survey::Entry&) { return true; });
  }
  count(state, names);
}
BENCHMARK(walk_only)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// What judging each name by its whole path would cost.
void walk_judging_whole_paths(benchmark::State& state) {
  const policy::FileRules rules(policy::floor_policy());
  std::size_t names = 0;
  for (auto step : state) {
    names =
        walk_once(nullptr, static_cast<unsigned>(state.range(0)), [&](const survey::Entry& entry) {
          return rules.judge(entry.path, entry.type == DT_DIR).action != policy::FileAction::kHide;
        });
  }
  count(state, names);
}
BENCHMARK(walk_judging_whole_paths)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

void standard_library(benchmark::State& state) {
  std::size_t names = 0;
  for (auto step : state) {
    names = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      names += entry.is_symlink() ? 0 : 1;
    }
  }
  count(state, names);
}
BENCHMARK(standard_library)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace agentbox

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: walk_bench [--benchmark_…] DIRECTORY\n");
    return 1;
  }
  agentbox::directory = argv[1];
  agentbox::walk_once(nullptr, 2, [](const agentbox::survey::Entry&) { return true; });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
