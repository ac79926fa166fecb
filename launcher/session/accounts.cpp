#include "launcher/session/accounts.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/leases.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

// What a variable of an account stands for.
struct Wish {
  const policy::Account* account;
  std::string variable;
  std::variant<resolver::Reference, resolver::Secret> source;
};

std::vector<Wish> wishes(const policy::Scope& scope) {
  std::vector<Wish> all;
  for (const auto& [scheme, account] : scope.accounts) {
    for (const auto& [variable, text] : account.variables) {
      Wish wish{&account, variable, resolver::Secret(text)};
      if (resolver::is_reference(text)) {
        wish.source = resolver::parse_reference(text);
      } else if (!resolver::near_miss(text).empty()) {
        throw Error(Status::kConfiguration,
                    account.place.text() + ": " + variable + " looks like a reference, and is none",
                    "docs/secrets.md has the form of each");
      }
      all.push_back(std::move(wish));
    }
  }
  return all;
}

[[noreturn]] void refuse(const Wish& wish, const std::string& why, const std::string& hint) {
  throw Error(Status::kConfiguration,
              wish.account->place.text() + ": the account for " + wish.account->scheme +
                  " cannot be had: " + wish.variable + ": " + why,
              hint);
}

// A file with a token usually ends in a line break, which no header takes.
void cut_line_break(resolver::Secret& value) {
  std::size_t size = value.size();
  while (size > 0 && (value.reveal()[size - 1] == '\n' || value.reveal()[size - 1] == '\r')) {
    --size;
  }
  value.shrink(size);
}

resolver::Secret value_of(const Wish& wish, resolver::Resolution& resolution) {
  const std::string shown = base::printable(resolution.reference.text);
  if (const auto* failed = std::get_if<resolver::Failed>(&resolution.answer)) {
    refuse(wish, shown + " (" + resolution.backend + "): " + failed->message, failed->hint);
  }
  auto& value = std::get<resolver::Value>(resolution.answer);
  if (value.lifetime.count() > 0) {
    refuse(wish, shown + " is good for this resolution alone",
           "name a credential that is kept in a store, not one that is made on request");
  }
  cut_line_break(value.secret);
  for (const char c : value.secret.reveal()) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      refuse(wish, shown + " has a line break or another control character",
             "store the credential alone, on one line");
    }
  }
  if (value.secret.empty()) {
    refuse(wish, shown + " is empty", "store the credential there");
  }
  return std::move(value.secret);
}

}  // namespace

std::shared_ptr<const resolver::Account> find_account(const policy::Scope& scope,
                                                      const Project& project, Recorder& recorder,
                                                      Ask ask, Look look) {
  if (scope.accounts.empty()) {
    return nullptr;
  }
  std::vector<Wish> all = wishes(scope);
  std::vector<Wanted> wanted;
  for (const Wish& wish : all) {
    if (const auto* reference = std::get_if<resolver::Reference>(&wish.source)) {
      wanted.push_back({wish.variable, *reference, {}});
    }
  }
  resolver::Resolver resolver = make_resolver(project, ask, kUsersOwn);
  const Leases leases(resolver, recorder);
  std::vector<resolver::Resolution> resolutions = resolve(wanted, resolver, recorder, look);
  auto account = std::make_shared<resolver::Account>();
  std::size_t next = 0;
  for (Wish& wish : all) {
    const bool literal = std::holds_alternative<resolver::Secret>(wish.source);
    account->set(wish.account->scheme, wish.variable,
                 literal ? std::move(std::get<resolver::Secret>(wish.source))
                         : value_of(wish, resolutions[next++]));
    if (wish.variable == "OP_CONNECT_TOKEN" &&
        resolver::Environment(account->variables()).get("OP_CONNECT_HOST").empty()) {
      refuse(wish, "OP_CONNECT_HOST is not set", "set it to the address of your Connect server");
    }
  }
  return account;
}

}  // namespace agentbox::session
