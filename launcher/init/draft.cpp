#include "launcher/init/draft.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/encode.h"
#include "resolver/reference.h"

namespace agentbox::init {

namespace {

constexpr std::size_t kMostHidden = 20;  // named in the comment

std::string in_quotes(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string list_of(const std::vector<std::string>& all) {
  std::string text = "[";
  for (const std::string& one : all) {
    text += (text.size() > 1 ? ", " : "") + in_quotes(one);
  }
  return text + "]";
}

bool reaches_user(const std::string& reference) {
  const std::string scheme = reference.substr(0, reference.find(':'));
  return scheme == "env" || scheme == "file" || scheme == "exec";
}

std::string hidden_comment(const std::vector<std::string>& hidden) {
  std::string text = "  // Not there in a box, by their names:";
  for (std::size_t i = 0; i < std::min(hidden.size(), kMostHidden); ++i) {
    text += "\n  //   " + base::printable(hidden[i]);
  }
  if (hidden.size() > kMostHidden) {
    text += "\n  //   and " + std::to_string(hidden.size() - kMostHidden) +
            " more: `agentbox scan` lists them";
  }
  return text + "\n";
}

}  // namespace

Draft draft(const Facts& facts, const Wish& wish) {
  Draft result;
  std::string& text = result.text;
  text = "{\n  \"version\": 1";
  if (!wish.profiles.empty()) {
    text += ",\n  \"extends\": " + list_of(wish.profiles);
  }
  std::string secrets;
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const Variable& variable : facts.credentials) {
    const std::string name = resolver::plain_name(variable.name);
    if (reaches_user(variable.reference) || !taken.insert(name).second) {
      continue;
    }
    std::string from = variable.reference;
    if (from.empty()) {
      result.stored.push_back(resolver::plain_name(wish.project) + "/" + name);
      from = "local://" + result.stored.back();
    }
    secrets += (secrets.empty() ? "\n" : ",\n");
    secrets += "    // " + base::printable(variable.place) + "\n";
    secrets += "    " + in_quotes(name) + ": { \"from\": " + in_quotes(from) +
               ", \"as\": { \"env\": " + in_quotes(variable.name) + " } }";
    names.push_back(name);
  }
  if (!names.empty()) {
    text += ",\n  \"secrets\": {" + secrets + "\n  }";
    text += ",\n  \"scopes\": {\n    \"main\": { \"secrets\": " + list_of(names) + " }\n  }";
  }
  std::vector<std::string> network;
  for (const PackageSource& source : facts.sources) {
    for (const std::string& host : source.hosts) {
      if (std::find(wish.reached.begin(), wish.reached.end(), host) == wish.reached.end() &&
          std::find(network.begin(), network.end(), host) == network.end()) {
        network.push_back(host);
      }
    }
  }
  // Without entries there is no such key: an empty list would take back what the profile allows.
  if (!network.empty()) {
    text += ",\n  // Where this project's packages come from.\n  \"network\": " + list_of(network);
  }
  text += "\n";
  if (!facts.hidden.empty()) {
    text += hidden_comment(facts.hidden);
  }
  text += "}\n";
  return result;
}

}  // namespace agentbox::init
