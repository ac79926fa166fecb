// Credentials in place of the user's own: on whose account the stores of one scope are asked.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/environment.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

// What the backends of a Resolver see of the environment: none of the variables that hold or choose
// credentials of a store with accounts, and those of the account instead. Immutable once it is in
// use, and then thread-safe.
class Account {
 public:
  // `base`: the variables to start from; the caller keeps the strings unchanged.
  explicit Account(const char* const* base = environ);

  // The account that references of `scheme` are resolved with has this variable.
  void set(const std::string& scheme, const std::string& name, const Secret& value);

  // Whether it can resolve references of this scheme: it has credentials for it, or the scheme's
  // backend has no accounts.
  bool holds(std::string_view scheme) const;

  // Valid as long as this.
  const char* const* variables() const { return variables_.data(); }

 private:
  std::vector<std::string> schemes_;
  std::vector<Secret> own_;             // "NAME=value", with its NUL
  std::vector<const char*> variables_;  // up to a null pointer
};

// The schemes whose backends ask a server on somebody's account.
bool has_accounts(std::string_view scheme);

}  // namespace agentbox::resolver
