// Runs a fuzzer without libFuzzer: corpus_driver DIRECTORY… calls it with every file there, and
// with mutations of each, the same ones in every run.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::string_view current;

// What failed, for the corpus: as base64(1) reads it, so that a log can hold it.
void tell(int signal) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char group[4];
  for (std::size_t i = 0; i < current.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t n = 0; n < 3; ++n) {
      bits = bits << 8 | (i + n < current.size() ? static_cast<unsigned char>(current[i + n]) : 0u);
    }
    for (std::size_t n = 0; n < 4; ++n) {
      group[n] = i + n > current.size() ? '=' : kDigits[bits >> (18 - 6 * n) & 63];
    }
    if (::write(STDERR_FILENO, group, sizeof group) < 0) {
      break;
    }
  }
  if (::write(STDERR_FILENO, "\n", 1) < 0) {
    // Nobody reads it; the signal tells enough.
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const std::string& input) {
  current = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

// A few of: a byte changed, a piece taken out, repeated, or put in from another input.
std::string mutate(std::string input, const std::vector<std::string>& inputs,
                   std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  const unsigned changes = 1 + random() % 4;
  for (unsigned i = 0; i < changes; ++i) {
    const std::size_t at = below(input.size());
    const std::size_t length = std::min<std::size_t>(1 + below(200), input.size() - at);
    switch (random() % 5) {
      case 0:
        if (!input.empty()) {
          input[at] = static_cast<char>(random());
        }
        break;
      case 1:
        input.erase(at, length);
        break;
      case 2: {
        const std::string piece = input.substr(at, length);
        const std::size_t times = 1 + below(40);
        for (std::size_t n = 0; n < times; ++n) {
          input.insert(at, piece);
        }
        break;
      }
      case 3: {
        const std::string& other = inputs[below(inputs.size())];
        const std::size_t from = below(other.size());
        input.insert(at, other.substr(from, 1 + below(400)));
        break;
      }
      default:
        input.resize(at);
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE}) {
    std::signal(signal, tell);
  }
  std::vector<std::string> inputs;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      std::ifstream in(file, std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  if (inputs.empty()) {
    std::fprintf(stderr, "corpus_driver: no inputs\n");
    return 1;
  }
  constexpr unsigned kMutations = 20'000;
  run("");
  for (const std::string& input : inputs) {
    run(input);
  }
  std::mt19937 random(1);
  for (unsigned i = 0; i < kMutations; ++i) {
    run(mutate(inputs[random() % inputs.size()], inputs, random));
  }
  std::printf("%zu inputs, %u mutations\n", inputs.size(), kMutations);
  return 0;
}
