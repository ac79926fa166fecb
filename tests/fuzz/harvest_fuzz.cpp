// harvest() on any bytes, and what it takes looked for in them again: no value is too short, all is
// found that is known and stands in the text as it is, and matches are in order, apart and within.
// The first byte chooses the file's name.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/values/forms.h"
#include "launcher/values/harvest.h"
#include "launcher/values/known_values.h"

namespace {

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "harvest: %s\n", what);
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentbox::values;
  static constexpr std::string_view kPaths[] = {"",       ".env",    "a.json", "a.yaml",
                                                ".netrc", ".pgpass", "id_rsa", "token.txt"};
  constexpr std::size_t kMostKnown = 16;  // of an input, for speed
  if (size == 0) {
    return 0;
  }
  // A copy of the right size: a read past its end is seen.
  const std::vector<char> bytes(data + 1, data + size);
  const std::string_view text(bytes.data(), bytes.size());
  std::vector<std::string> known;
  KnownValues values("thirty-two bytes that are no key");
  harvest(text, kPaths[data[0] % std::size(kPaths)],
          [&](std::string_view value, std::string_view key) {
            require(value.size() >= kShortestKnown, "a value that is too short");
            if (known.size() < kMostKnown && value.size() < 500 && values.add(value, key, 0)) {
              known.emplace_back(trim_newlines(value));
            }
          });
  std::vector<Match> matches;
  values.snapshot()->find(text, matches);
  std::size_t end = 0;
  for (const Match& match : matches) {
    require(match.offset >= end && match.length > 0, "matches that overlap or are out of order");
    end = match.offset + match.length;
    require(end <= text.size(), "a match past the end");
  }
  for (const std::string& value : known) {
    const std::size_t at = text.find(value);
    bool found = at == std::string_view::npos;
    for (const Match& match : matches) {
      found = found || (match.offset <= at && match.offset + match.length >= at + value.size());
    }
    require(found, "a known value that is not found");
  }
  return 0;
}
