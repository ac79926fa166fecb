#include "resolver/backends/aws_profile.h"

#include <algorithm>
#include <utility>

#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t start = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(start);
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
}

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

// The profile that a section's line is about, or "": the config file says "profile NAME" but for
// the default, the credentials file says NAME.
std::string_view section_name(std::string_view line, bool is_config) {
  std::string_view name = trimmed(line.substr(1, line.find(']') - 1));
  if (is_config && name != "default") {
    if (!name.starts_with("profile ") && !name.starts_with("profile\t")) {
      return {};
    }
    name = trimmed(name.substr(8));
  }
  return name;
}

}  // namespace

AwsProfile::AwsProfile(std::string name, const Environment& environment) : name_(std::move(name)) {
  const auto file = [&](std::string_view variable, const char* usual) {
    const std::string_view set = environment.get(variable);
    return set.empty() ? std::string(environment.get("HOME")) + usual : std::string(set);
  };
  read(file("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"), false);
  read(file("AWS_CONFIG_FILE", "/.aws/config"), true);
}

std::string_view AwsProfile::get(const std::string& setting) const {
  const auto found = settings_.find(setting);
  return found == settings_.end() ? std::string_view() : found->second.reveal();
}

void AwsProfile::read(const std::string& path, bool is_config) {
  const Secret file = read_credential_file(path);
  std::string_view text = file.reveal();
  bool inside = false;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') {
      continue;
    }
    if (content.front() == '[') {
      inside = section_name(content, is_config) == name_;
      exists_ = exists_ || inside;
      continue;
    }
    // A line that is set in belongs to a nested setting, of which none is wanted here.
    const std::size_t equals = content.find('=');
    if (!inside || equals == std::string_view::npos || line.front() == ' ' ||
        line.front() == '\t') {
      continue;
    }
    std::string setting(trimmed(content.substr(0, equals)));
    std::transform(setting.begin(), setting.end(), setting.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const std::string_view value = trimmed(content.substr(equals + 1));
    if (!value.empty()) {
      settings_.emplace(std::move(setting), Secret(value));  // the first one stays
    }
  }
}

}  // namespace agentbox::resolver
