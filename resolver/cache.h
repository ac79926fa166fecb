// Values kept between sessions, encrypted, for policies that ask for it.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/local_store.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// What one reference's value may be taken from the cache for. Zero `lifetime`: it is neither looked
// up nor kept.
struct CacheTerms {
  std::chrono::seconds lifetime{0};  // younger than that: the store is not asked
  std::chrono::seconds offline{0};   // younger than that: will do when the store cannot be reached
};

// A LocalStore in a directory of its own, under a key file of its own: it keeps values from who
// gets at a copy of the state directory without the key, not from the user's own programs. A value
// stands under a hash of its reference and of the variables that say whose account a store is asked
// for (the resolver's account, if it has one), so that another account does not find it. One that
// no terms allow any more is removed when the cache is next used. Not thread-safe; several
// processes may use one directory. Throws StoreError, base::SystemError.
class Cache {
 public:
  using Clock = std::function<std::int64_t()>;  // seconds since 1970 (UTC)

  explicit Cache(
      std::string directory, Environment environment = {},
      Clock clock = [] { return static_cast<std::int64_t>(std::time(nullptr)); });

  // As Resolver::resolve() for those that the cache does not answer; one term a reference. What the
  // resolver answers is kept. `anew`: values are kept, but only taken when offline.
  std::vector<Resolution> resolve(Resolver& resolver, const std::vector<Reference>& references,
                                  const std::vector<CacheTerms>& terms,
                                  std::chrono::milliseconds time_limit, bool anew = false);

  // Removes all values; their number.
  std::size_t clear();

 private:
  struct Found;

  std::string name_of(const Reference& reference, const Account* account) const;
  std::vector<Found> look_up(const std::vector<Reference>& references,
                             const std::vector<CacheTerms>& terms, const Account* account);
  void keep(const Reference& reference, const CacheTerms& terms, const Value& value,
            const Account* account);

  LocalStore store_;
  std::string accounts_;  // a hash of the variables; no secret can be told from it
  Clock clock_;
};

}  // namespace agentbox::resolver
