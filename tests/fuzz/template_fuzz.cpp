// Any bytes as templates: text without references and variables stays as it is, what is read can be
// written again and is read as the same, and errors quote no value of the environment.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "resolver/injection.h"
#include "resolver/template.h"

namespace {

using namespace agentbox::resolver;

constexpr std::string_view kSecret = "canary-5fd1c07e";

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "template: %s\n", what);
    std::abort();
  }
}

std::optional<std::string_view> variable(std::string_view name) {
  return name == "SECRET" || name == "S" ? std::optional(kSecret) : std::nullopt;
}

template <typename Parse>
std::optional<Template> read(const Parse& parse) {
  try {
    return parse();
  } catch (const agentbox::base::Error& error) {
    const std::string said = std::string(error.what()) + "\n" + error.hint();
    require(said.find(kSecret) == said.npos, "an error that quotes a value");
    return std::nullopt;
  }
}

std::optional<Template> inject(std::string_view text) {
  return read([&] { return parse_injection(text, "fuzz.tpl", variable); });
}

// The pieces as one text, with marks where references stand.
std::string flat(const Template& pieces) {
  std::string text;
  for (const auto& piece : pieces) {
    const auto* literal = std::get_if<std::string>(&piece);
    text += literal != nullptr ? *literal : "\x01" + std::get<Reference>(piece).text + "\x02";
  }
  return text;
}

// What stands for itself in a template, and nothing else.
std::string escaped(std::string_view literal) {
  std::string text;
  for (const char c : literal) {
    const bool special = c == '{' || c == '}' || c == '$' || c == 'o';
    text += special ? std::string("{{ \"") + c + "\" }}" : std::string(1, c);
  }
  return text;
}

void write_again(const Template& pieces) {
  std::string text;
  for (const auto& piece : pieces) {
    if (const auto* literal = std::get_if<std::string>(&piece)) {
      text += escaped(*literal);
      continue;
    }
    const std::string& reference = std::get<Reference>(piece).text;
    if (reference.find_first_of("$}\"") != reference.npos) {
      return;  // no way to write it: "{{" takes variables too
    }
    text += "{{ " + reference + " }}";
  }
  const Template again = parse_injection(text, "fuzz.tpl", variable);
  require(flat(again) == flat(pieces), "another template when read again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find(kSecret) != text.npos) {
    return 0;  // errors would quote it as it is written
  }
  const auto pieces = inject(text);
  if (pieces) {
    write_again(*pieces);
  }
  if (text.find("{{") == text.npos && text.find('$') == text.npos &&
      text.find("op://") == text.npos) {
    require(pieces && flat(*pieces) == text, "text that does not stay as it is");
  }
  const auto strict = read([&] { return parse_template(text, "fuzz.tpl"); });
  if (strict && text.find('$') == text.npos && text.find("op://") == text.npos &&
      text.find("{{ \"") == text.npos) {
    require(pieces && flat(*pieces) == flat(*strict), "two readers that differ");
  }
  return 0;
}
