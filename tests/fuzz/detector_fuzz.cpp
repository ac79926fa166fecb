// Detector::find on any bytes: the findings are in order, apart, within the text and of a kind, and
// the same when asked again. The first byte chooses the file's name. Bytes 1 are left out: they
// stand in the corpus, so that no scanner of this repository takes what is there for real tokens.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "policy/detector.h"

namespace {

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "detector: %s\n", what);
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agentbox::policy::Detector;
  using agentbox::policy::Finding;
  static constexpr std::string_view kPaths[] = {"",           ".env",     "src/main.py", ".pgpass",
                                                ".netrc",     "a.yaml",   "yarn.lock",   "x.key",
                                                "locales/de", "app.json", "x.log"};
  if (size == 0) {
    return 0;
  }
  const std::string_view path = kPaths[data[0] % std::size(kPaths)];
  // A copy of the right size: a read past its end is seen.
  std::vector<char> bytes(data + 1, data + size);
  std::erase(bytes, '\1');
  bytes.shrink_to_fit();
  const std::string_view text(bytes.data(), bytes.size());
  std::vector<Finding> findings(1), again(1);
  Detector::shipped().find(text, path, findings);
  Detector::shipped().find(text, path, again);
  require(findings.size() == again.size(), "another answer when asked again");
  std::size_t end = 0;
  for (std::size_t i = 1; i < findings.size(); ++i) {
    const Finding& finding = findings[i];
    require(finding.offset >= end, "findings that overlap or are out of order");
    require(finding.length > 0 && finding.length <= Detector::kReach,
            "a finding too short or long");
    end = finding.offset + finding.length;
    require(end <= text.size(), "a finding past the end");
    require(finding.kind != nullptr, "a finding of no kind");
    require(finding.offset == again[i].offset && finding.length == again[i].length &&
                finding.kind == again[i].kind,
            "another finding when asked again");
  }
  return 0;
}
