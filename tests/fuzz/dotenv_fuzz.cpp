// Any bytes as an env file. Errors quote no value of the environment; what is read can be written
// again and is read as the same; and a reference in a value's place, as `agentbox import` puts one,
// leaves the other values as they were.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "resolver/dotenv.h"

namespace {

using namespace agentbox::resolver;

constexpr std::string_view kSecret = "canary-5fd1c07e";
constexpr std::string_view kReference = "local://moved/value";

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "dotenv: %s\n", what);
    std::abort();
  }
}

std::optional<std::string_view> variable(std::string_view name) {
  if (name == "SECRET" || name == "S") {
    return kSecret;
  }
  return name == "EMPTY" ? std::optional<std::string_view>("") : std::nullopt;
}

std::optional<std::vector<EnvEntry>> read(const std::string& text) {
  try {
    return parse_dotenv_whole(Secret(text), "fuzz.env", variable);
  } catch (const agentbox::base::Error& error) {
    const std::string said = std::string(error.what()) + "\n" + error.hint();
    require(said.starts_with("fuzz.env:"), "an error without its line");
    require(said.find(kSecret) == said.npos, "an error that quotes a value");
    return std::nullopt;
  }
}

bool same(const EnvEntry& a, const EnvEntry& b) {
  if (a.name != b.name || a.value.index() != b.value.index()) {
    return false;
  }
  if (const auto* literal = std::get_if<Secret>(&a.value)) {
    return equal(*literal, std::get<Secret>(b.value));
  }
  return std::get<Reference>(a.value).text == std::get<Reference>(b.value).text;
}

std::string quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    text += c == '\n'                                       ? "\\n"
            : c == '\r'                                     ? "\\r"
            : c == '"' || c == '\\' || c == '$' || c == '`' ? std::string("\\") + c
                                                            : std::string(1, c);
  }
  return text + "\"";
}

void write_again(const std::vector<EnvEntry>& entries) {
  std::string text;
  for (const EnvEntry& entry : entries) {
    const auto* literal = std::get_if<Secret>(&entry.value);
    text += entry.name + "=" +
            quoted(literal != nullptr ? literal->reveal()
                                      : std::string_view(std::get<Reference>(entry.value).text)) +
            "\n";
  }
  const auto again = read(text);
  require(again && again->size() == entries.size(), "entries that cannot be read again");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    require(same(entries[i], (*again)[i]), "an entry that is another when read again");
  }
}

void move_one(const std::string& text, const std::vector<EnvEntry>& entries, std::size_t moved) {
  std::string changed = text;
  changed.replace(entries[moved].begin, entries[moved].end - entries[moved].begin, kReference);
  const auto again = read(changed);
  require(again && again->size() == entries.size(), "a reference does not fit in a value's place");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == moved) {
      const auto* reference = std::get_if<Reference>(&(*again)[i].value);
      require(reference != nullptr && reference->text == kReference, "not the reference");
    } else {
      require(same(entries[i], (*again)[i]), "a value that changes with its neighbour's");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMostEntries = 40;  // of an input, for speed: each locks its own memory
  const std::string text(reinterpret_cast<const char*>(data), size);
  // A mutation may bring the secret itself, which errors then quote as it is written.
  if (text.find(kSecret) != text.npos ||
      static_cast<std::size_t>(std::count(text.begin(), text.end(), '=')) > kMostEntries) {
    return 0;
  }
  const auto entries = read(text);
  if (!entries) {
    return 0;
  }
  bool used = false;
  for (const EnvEntry& entry : *entries) {
    require(entry.begin <= entry.end && entry.end <= text.size(), "a value outside of its text");
    require(is_variable_name(entry.name), "no name of a variable");
    used = used || !entry.uses.empty();
  }
  write_again(*entries);
  if (!entries->empty() && !used) {
    move_one(text, *entries, text.size() % entries->size());
  }
  const std::vector<EnvEntry> last = parse_dotenv(Secret(text), "fuzz.env", variable);
  for (const EnvEntry& entry : last) {
    const EnvEntry* meant = nullptr;
    for (const EnvEntry& one : *entries) {
      meant = one.name == entry.name ? &one : meant;
    }
    require(meant != nullptr && same(entry, *meant), "not the last of its name");
  }
  return 0;
}
