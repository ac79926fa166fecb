// Any bytes as a SOPS file whose key is known: the first chooses the format. Whatever was changed,
// a value that was encrypted is given as it was at its place, or not at all, and errors quote none.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "resolver/sops_file.h"

namespace {

using namespace agentbox::resolver;

constexpr std::string_view kCanary = "canary-5fd1";  // all encrypted texts of the corpus begin so

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "sops: %s\n", what);
    std::abort();
  }
}

struct Known {
  std::vector<std::string> path;
  std::string_view value;
};

const std::vector<Known>& known() {
  static const std::vector<Known> all = {{{"a"}, "canary-5fd1-a"},
                                         {{"b"}, "canary-5fd1-b"},
                                         {{"db", "password"}, "canary-5fd1-password"},
                                         {{"db", "hosts", "0"}, "canary-5fd1-0"},
                                         {{"db", "hosts", "1"}, "canary-5fd1-1"},
                                         {{"other", "a"}, "canary-5fd1-other"}};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  static const Secret key(std::string(32, 'k'));
  const std::string text(data + 1, data + size);
  try {
    const SopsFile file = SopsFile::parse(text, static_cast<SopsFile::Format>(data[0] % 4));
    std::vector<SopsFile::Wanted> wanted;
    for (const Known& one : known()) {
      wanted.push_back({one.path, std::nullopt, {}, {}});
    }
    file.decrypt(key, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      require(wanted[i].value.has_value() != !wanted[i].problem.empty(),
              "neither value nor problem");
      require(wanted[i].problem.find(kCanary) == std::string::npos,
              "a problem that quotes a value");
      require(!wanted[i].value || wanted[i].value->reveal() == known()[i].value,
              "a value that was not there");
    }
  } catch (const agentbox::base::Error& error) {
    const std::string said = std::string(error.what()) + "\n" + error.hint();
    require(text.find(kCanary) != std::string::npos || said.find(kCanary) == std::string::npos,
            "an error that quotes a value");
  }
  return 0;
}
