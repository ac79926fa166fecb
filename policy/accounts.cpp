#include "policy/accounts.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"

namespace agentbox::policy {

namespace {

// Credentials that suffice together, so that a backend looks for no others; and what may stand
// beside any of them. docs/backends.md says what each is.
struct Store {
  std::string_view scheme;
  std::vector<std::vector<std::string_view>> credentials;
  std::vector<std::string_view> others;
};

const std::vector<Store>& stores() {
  static const std::vector<Store> kStores = {
      {"aws-sm",
       {{"AWS_PROFILE"}, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
       {"AWS_SESSION_TOKEN", "AWS_REGION"}},
      {"doppler", {{"DOPPLER_TOKEN"}}, {}},
      {"infisical",
       {{"INFISICAL_TOKEN"},
        {"INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET"}},
       {}},
      {"op", {{"OP_SERVICE_ACCOUNT_TOKEN"}, {"OP_CONNECT_TOKEN"}}, {}},
      {"vault",
       {{"VAULT_TOKEN"}, {"VAULT_ROLE_ID", "VAULT_SECRET_ID"}, {"VAULT_ROLE", "VAULT_JWT"}},
       {"VAULT_AUTH_MOUNT", "VAULT_NAMESPACE"}}};
  return kStores;
}

[[noreturn]] void refuse(const Account& account, const std::string& what, const std::string& hint) {
  throw base::Error(base::Status::kConfiguration, account.place.text() + ": " + what, hint);
}

std::string in_quotes(std::string_view text) { return '"' + base::printable(text) + '"'; }

std::string near_or(const std::string& wrong, const std::vector<std::string>& known,
                    const std::string& what) {
  const std::string near = base::nearest(wrong, known);
  if (!near.empty()) {
    return "did you mean \"" + near + "\"?";
  }
  std::string all;
  for (const std::string& name : known) {
    all += (all.empty() ? "" : ", ") + name;
  }
  return what + all;
}

// "VAULT_TOKEN, or VAULT_ROLE_ID with VAULT_SECRET_ID"
std::string choices(const Store& store) {
  std::string text;
  for (const auto& set : store.credentials) {
    text += text.empty() ? "" : ", or ";
    for (std::size_t i = 0; i < set.size(); ++i) {
      text += (i == 0 ? "" : " with ") + std::string(set[i]);
    }
  }
  return text;
}

}  // namespace

void check_account(const Account& account) {
  const auto store = std::find_if(stores().begin(), stores().end(), [&](const Store& candidate) {
    return candidate.scheme == account.scheme;
  });
  if (store == stores().end()) {
    std::vector<std::string> known;
    for (const Store& one : stores()) {
      known.emplace_back(one.scheme);
    }
    refuse(account, "there are no accounts for " + in_quotes(account.scheme),
           near_or(account.scheme, known, "they are for "));
  }
  std::vector<std::string> known(store->others.begin(), store->others.end());
  std::size_t complete = 0, given = 0;
  for (const auto& set : store->credentials) {
    known.insert(known.end(), set.begin(), set.end());
    const auto count = std::count_if(set.begin(), set.end(), [&](std::string_view name) {
      return account.variables.count(std::string(name)) != 0;
    });
    given += count > 0 ? 1 : 0;
    complete += count == std::ssize(set) ? 1 : 0;
  }
  for (const auto& [name, value] : account.variables) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      refuse(account, "an account of " + account.scheme + " has no " + in_quotes(name),
             near_or(name, known, "it has "));
    }
    if (value.empty()) {
      refuse(account, in_quotes(name) + " is empty", "name where it is: \"local://NAME\"");
    }
  }
  if (complete != 1 || given != 1) {
    refuse(account, "an account of " + account.scheme + " needs one way to log in, and all of it",
           "give " + choices(*store));
  }
}

}  // namespace agentbox::policy
