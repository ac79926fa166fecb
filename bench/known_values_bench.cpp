// What it costs to look for known values in each byte of a text, and to make values known.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "launcher/values/known_values.h"

namespace {

using agentbox::values::KnownValues;
using agentbox::values::Match;

constexpr std::string_view kKey = "thirty-two bytes that are no key";

std::string random_text(std::mt19937& random, std::size_t size, std::string_view letters) {
  std::string text(size, ' ');
  for (char& c : text) {
    c = letters[random() % letters.size()];
  }
  return text;
}

// Tokens with prefixes that many share, passwords, URLs and, one in fifty, a private key.
void fill(KnownValues& known, std::int64_t count) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::mt19937 random(5);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string value;
    switch (i % 50 == 49 ? 4 : i % 4) {
      case 0:
        value = "sk-proj-" + random_text(random, 48, kLetters);
        break;
      case 1:
        value = random_text(random, 40, "0123456789abcdef");
        break;
      case 2:
        value = random_text(random, 16, "abcdefghijklmnopqrstuvwxyz0123456789!$%&");
        break;
      case 3:
        value =
            "postgres://app:" + random_text(random, 20, kLetters) + "@db.internal.example:5432/app";
        break;
      default:
        for (int line = 0; line < 25; ++line) {
          value += random_text(random, 64, kLetters) + "\n";
        }
    }
    known.add(value, "PASSWORD", i);
  }
}

std::string source_code() {
  std::mt19937 random(6);
  std::string text;
  constexpr std::string_view kWords[] = {"const ",
                                         "return ",
                                         "std::string_view ",
                                         "password",
                                         "(",
                                         ")",
                                         " = ",
                                         "await fetch(",
                                         "https://",
                                         "example.com/",
                                         "function ",
                                         "{\n    ",
                                         "}\n",
                                         "value_",
                                         "1024",
                                         ";\n",
                                         "// what follows is ",
                                         "0x7f",
                                         "import ",
                                         "\"",
                                         "config.",
                                         "database",
                                         "for (int i = 0; i < size; ++i) "};
  while (text.size() < 8 << 20) {
    text += kWords[random() % std::size(kWords)];
    if (random() % 8 == 0) {
      text += random_text(random, 3 + random() % 9, "abcdefghijklmnopqrstuvwxyz");
    }
  }
  return text;
}

std::string base64_text() {
  std::mt19937 random(7);
  return random_text(random, 8 << 20,
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

void search(benchmark::State& state, const std::string& text) {
  KnownValues known(kKey);
  fill(known, state.range(0));
  const auto set = known.snapshot();
  std::vector<Match> matches;
  for (auto _ : state) {
    matches.clear();
    set->find(text, matches);
    benchmark::DoNotOptimize(matches.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void search_source_code(benchmark::State& state) { search(state, source_code()); }
BENCHMARK(search_source_code)
    ->Arg(1)
    ->Arg(200)
    ->Arg(2000)
    ->Arg(20000)
    ->Unit(benchmark::kMillisecond);

void search_base64(benchmark::State& state) { search(state, base64_text()); }
BENCHMARK(search_base64)->Arg(200)->Arg(20000)->Unit(benchmark::kMillisecond);

void make_known(benchmark::State& state) {
  for (auto _ : state) {
    KnownValues known(kKey);
    fill(known, state.range(0));
    benchmark::DoNotOptimize(known.snapshot());
  }
  state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(make_known)->Arg(200)->Arg(20000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
