// The detector's speed on one core: detector_bench FILE… searches each file as a whole, by its
// name, all of them in one turn; then texts made to cost time.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "policy/detector.h"

namespace agentbox {
namespace {

struct File {
  std::string path, text;
};

void search(benchmark::State& state, const std::vector<File>& files) {
  const policy::Detector& detector = policy::Detector::shipped();
  std::size_t bytes = 0, found = 0;
  std::vector<policy::Finding> findings;
  for ([[maybe_unused]] auto _ : state) {
    bytes = found = 0;
    for (const File& file : files) {
      findings.clear();
      detector.find(file.text, file.path, findings);
      bytes += file.text.size();
      found += findings.size();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.counters["files"] = static_cast<double>(files.size());
  state.counters["findings"] = static_cast<double>(found);
}

std::string repeated(std::string_view piece) {
  std::string text;
  constexpr std::size_t kLength = 1 << 20;
  while (text.size() < kLength) {
    text += piece;
  }
  return text;
}

}  // namespace
}  // namespace agentbox

int main(int argc, char** argv) {
  using namespace agentbox;
  benchmark::Initialize(&argc, argv);
  std::vector<File> files;
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    files.push_back({argv[i], std::string(std::istreambuf_iterator<char>(in), {})});
  }
  if (!files.empty()) {
    benchmark::RegisterBenchmark("files", [&](benchmark::State& state) { search(state, files); });
  }
  for (const char* const piece : {"A",
                                  "key",
                                  "password=",
                                  "token: ",
                                  "://",
                                  "://a:b",
                                  "://a:@",
                                  "eyJ",
                                  "eyJhbGciOiJ9.",
                                  "curl -u ",
                                  "kind: Secret\n",
                                  "\"kty\"",
                                  "-----BEGIN PRIVATE KEY-----",
                                  "-----END PRIVATE KEY-----",
                                  " glpat-",
                                  "ya29.",
                                  " sk-",
                                  "Authorization: Basic ",
                                  "bearer ",
                                  ":*:*:",
                                  "@tcp(",
                                  "password=a1B2c3D4e5F6\n",
                                  "PuTTY-User-Key-File-",
                                  "machine ",
                                  "AKIA",
                                  "api_key=\"x9"}) {
    benchmark::RegisterBenchmark(("repeated/" + std::string(piece)).c_str(),
                                 [piece](benchmark::State& state) {
                                   search(state, {{"x.env", repeated(piece)}});
                                 });
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
