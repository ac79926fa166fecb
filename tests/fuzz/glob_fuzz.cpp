// Patterns and paths of any bytes. One component is matched as fnmatch(3) does, in either case as
// both in small letters; and a path is judged alike by itself and on a walk down to it. The input:
// patterns, one a line ("h…" hides, "s…" shows, "r…" is read-only), an empty line, paths.
#include <fnmatch.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "policy/file_rules.h"
#include "policy/glob.h"

namespace {

using namespace agentbox::policy;

constexpr std::size_t kMost = 32;  // patterns and paths of an input, for speed

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "glob: %s\n", what);
    std::abort();
  }
}

std::string lowered(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

// fnmatch(3) has classes and escapes in sets, which these patterns have not.
bool comparable(const std::string& pattern) {
  const std::size_t set = pattern.find('[');
  return set == pattern.npos || (pattern.find('[', set + 1) == pattern.npos &&
                                 pattern.find_first_of("\\-^", set) == pattern.npos);
}

void compare(const std::string& pattern, const std::string& name) {
  const NameGlob glob(pattern);
  require(glob.matches(name, Case::kExact) == (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0),
          "fnmatch(3) says otherwise");
  if (pattern.find('[') == pattern.npos) {
    require(glob.matches(name, Case::kFolded) ==
                NameGlob(lowered(pattern)).matches(lowered(name), Case::kExact),
            "the letters' case makes a difference");
  }
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < text.size() && result.size() < kMost;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    result.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return result;
}

// As the view hands a path over: relative, no empty component, no "." or "..".
bool plain(const std::string& path) {
  const std::string around = "/" + path + "/";
  return !path.empty() && path.find('\0') == path.npos && around.find("//") == around.npos &&
         around.find("/./") == around.npos && around.find("/../") == around.npos;
}

bool alike(const FileDecision& a, const FileDecision& b) {
  return a.action == b.action && a.readonly == b.readonly && a.link == b.link;
}

void judge(const FileRules& rules, const std::string& path, bool directory) {
  const FileDecision decision = rules.judge(path, directory);
  std::size_t at = 0;
  FileRules::Directory above(rules, "");
  for (;;) {
    const std::size_t end = path.find('/', at);
    if (end == path.npos) {
      break;
    }
    FileRules::Directory below(rules, path.substr(0, end), above.handed());
    if (below.hidden() != nullptr) {
      require(decision.action == FileAction::kHide, "shown in a hidden directory");
      return;
    }
    above = std::move(below);
    at = end + 1;
  }
  require(alike(decision, above.judge(path.substr(at), directory)),
          "another answer on the way down");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(text.find("\n\n"), text.size());
  std::vector<std::string> paths =
      lines(text.substr(std::min(text.size(), middle == text.size() ? middle : middle + 2)));
  std::erase_if(paths, [](const std::string& path) { return !plain(path); });
  Policy policy;
  for (const std::string& line : lines(text.substr(0, middle))) {
    Pattern pattern{.text = line.empty() ? "" : line.substr(1), .place = {}};
    try {
      const Glob checked(pattern);
    } catch (const agentbox::base::Error&) {
      continue;
    }
    if (pattern.text.find_first_of(std::string_view("/\0", 2)) == std::string::npos &&
        pattern.text != "**" && comparable(pattern.text)) {
      for (const std::string& path : paths) {
        compare(pattern.text, path.substr(path.rfind('/') + 1));
      }
    }
    (line[0] == 'h'   ? policy.files.hide
     : line[0] == 's' ? policy.files.show
                      : policy.files.readonly)
        .push_back(pattern);
  }
  const FileRules rules(policy);
  for (const std::string& path : paths) {
    judge(rules, path, false);
    judge(rules, path, true);
  }
  return 0;
}
