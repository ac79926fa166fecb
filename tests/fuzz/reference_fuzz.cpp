// Any bytes as references, one a line: what is read can be put together from its parts and is read
// as the same; what is no reference is an error with printable words.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "resolver/http.h"
#include "resolver/reference.h"

namespace {

using namespace agentbox::resolver;

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "reference: %s\n", what);
    std::abort();
  }
}

// With no more of it written as %XX than has to be.
std::string together(const Reference& reference) {
  const bool decoded = reference.scheme != "op" && reference.scheme != "local";
  const std::string_view between = reference.scheme == "exec" ? " " : "/";
  std::string text = reference.scheme + "://" + (reference.scheme == "file" ? "/" : "");
  for (std::size_t i = 0; i < reference.path.size(); ++i) {
    const std::string& part = reference.path[i];
    text += (i > 0 ? between : "");
    text += decoded ? percent_encode(part, reference.scheme == "exec" ? "/" : "") : part;
  }
  text += reference.query.empty() ? "" : "?" + reference.query;
  return text + (reference.fragment.empty() ? "" : "#" + percent_encode(reference.fragment));
}

void check(std::string_view text) {
  const bool is = is_reference(text);
  require(!is || near_miss(text).empty(), "a reference that is near to being one");
  Reference reference;
  try {
    reference = parse_reference(text);
  } catch (const agentbox::base::Error& error) {
    const std::string said = std::string(error.what()) + error.hint();
    require(agentbox::base::printable(said) == said && said.size() < 2000, "words not to print");
    return;
  }
  require(is && reference.text == text && !reference.path.empty(), "not what was written");
  require(parse_reference(reference.text).path == reference.path, "another when read again");
  const std::string again_text = together(reference);
  if (again_text.size() > 2048 || again_text == reference.scheme + "://") {
    return;  // longer than references may be, with its %XX; or an empty query alone
  }
  const Reference again = parse_reference(again_text);
  require(again.scheme == reference.scheme && again.path == reference.path &&
              again.query == reference.query && again.fragment == reference.fragment,
          "another when put together from its parts");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  for (int lines = 0; !text.empty() && lines < 100; ++lines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    check(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}
