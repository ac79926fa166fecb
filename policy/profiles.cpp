#include <algorithm>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "policy/policy.h"
#include "policy/shipped_profiles.h"

namespace agentbox::policy {

namespace {

// What the profiles share; a part, not a profile to choose.
constexpr std::string_view kShared = "base";

}  // namespace

std::vector<std::string> shipped_profile_names() {
  std::vector<std::string> names;
  for (const ShippedProfile& profile : shipped_profiles()) {
    if (profile.name != kShared) {
      names.emplace_back(profile.name);
    }
  }
  return names;
}

Document shipped_profile(const Pattern& name) {
  for (const ShippedProfile& profile : shipped_profiles()) {
    if (profile.name == name.text) {
      const std::string shown = "profile:" + name.text;
      return parse(profile.text, shown, "/");
    }
  }
  const std::vector<std::string> names = shipped_profile_names();
  const std::string near = base::nearest(name.text, names);
  std::string all;
  for (const std::string& known : names) {
    all += (all.empty() ? "" : ", ") + known;
  }
  throw base::Error(
      base::Status::kConfiguration,
      name.place.text() + ": there is no profile \"" + base::printable(name.text) + "\"",
      near.empty() ? "the shipped ones are " + all : "did you mean \"" + near + "\"?");
}

}  // namespace agentbox::policy
