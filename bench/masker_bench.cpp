// What the masker costs: compiling the values at a launch, and each byte of output.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "launcher/terminal/masker.h"

namespace {

using agentbox::terminal::Masker;
using agentbox::terminal::MaskSet;

std::string random_text(std::size_t size, char first, char last, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> byte(first, last);
  std::string text(size, ' ');
  for (char& c : text) {
    c = static_cast<char>(byte(random));
  }
  return text;
}

MaskSet values(std::int64_t count, std::size_t size) {
  MaskSet set;
  for (std::int64_t i = 0; i < count; ++i) {
    set.add("V", agentbox::resolver::Secret(random_text(size, '!', '~', static_cast<unsigned>(i))));
  }
  set.compile();
  return set;
}

void compile(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(values(state.range(0), 60));
  }
}
BENCHMARK(compile)->Arg(0)->Arg(1)->Arg(5)->Arg(50)->Unit(benchmark::kMicrosecond);

void feed(benchmark::State& state, const std::string& text) {
  const MaskSet set = values(state.range(0), 60);
  Masker masker(set, false);
  std::string out;
  for (auto _ : state) {
    out.clear();
    masker.feed(text, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void log_lines(benchmark::State& state) {
  std::string text;
  for (int i = 0; text.size() < 65536; ++i) {
    text += "[" + std::to_string(i) + "/300] Building CXX object src/module.dir/file_" +
            std::to_string(i * 7) + ".cpp.o with warnings enabled\n";
  }
  feed(state, text);
}
BENCHMARK(log_lines)->Arg(0)->Arg(1)->Arg(5)->Arg(50);

void random_printable(benchmark::State& state) { feed(state, random_text(65536, ' ', '~', 999)); }
BENCHMARK(random_printable)->Arg(1)->Arg(5)->Arg(50);

}  // namespace

BENCHMARK_MAIN();
