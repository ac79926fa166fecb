#include "launcher/mcp/arguments.h"

#include <algorithm>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"

namespace agentbox::mcp {

namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& hint = {}) {
  throw base::Error(base::Status::kFailed, what, hint);
}

std::string checked(const Json& value, const std::string& name) {
  if (!value.is_string()) {
    refuse("\"" + name + "\" must be a string");
  }
  std::string text = value;
  if (text.empty() || text.size() > Arguments::kLongestText ||
      text.find('\0') != std::string::npos) {
    refuse("\"" + name + "\" must have 1 to " + std::to_string(Arguments::kLongestText) +
           " bytes, none of them zero");
  }
  return text;
}

}  // namespace

Arguments::Arguments(const Json& given, const std::vector<std::string>& known) : given_(given) {
  for (const auto& [name, value] : given.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string near = base::nearest(name, known);
      refuse("there is no argument \"" + base::printable(name.substr(0, 64)) + "\"",
             near.empty() ? "" : "did you mean \"" + near + "\"?");
    }
  }
}

std::string Arguments::text(const char* name) const {
  std::optional<std::string> given = optional_text(name);
  if (!given) {
    refuse("the argument \"" + std::string(name) + "\" is missing");
  }
  return *given;
}

std::optional<std::string> Arguments::optional_text(const char* name) const {
  const auto found = given_.find(name);
  if (found == given_.end() || found->is_null()) {
    return std::nullopt;
  }
  return checked(*found, name);
}

std::vector<std::string> Arguments::texts(const char* name) const {
  const auto found = given_.find(name);
  if (found == given_.end() || !found->is_array() || found->empty() || found->size() > kMostItems) {
    refuse("\"" + std::string(name) + "\" must be a list of 1 to " + std::to_string(kMostItems) +
           " strings");
  }
  std::vector<std::string> all;
  for (const Json& item : *found) {
    all.push_back(checked(item, name));
  }
  return all;
}

std::map<std::string, std::string> Arguments::text_members(const char* name) const {
  std::map<std::string, std::string> all;
  const auto found = given_.find(name);
  if (found == given_.end() || found->is_null()) {
    return all;
  }
  if (!found->is_object() || found->size() > kMostItems) {
    refuse("\"" + std::string(name) + "\" must be an object of strings");
  }
  for (const auto& [member, value] : found->items()) {
    all[member] = checked(value, name);
  }
  return all;
}

}  // namespace agentbox::mcp
