#include "resolver/cache.h"

#include <sodium.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encode.h"
#include "base/number.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kLargest = 1 << 20;  // that a LocalStore takes
constexpr std::size_t kHashSize = 16;      // bytes; 128 bits tell references apart

// Whom a store takes the user for, and which store that is.
constexpr std::string_view kAccountVariables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "BAO_ADDR",
    "BAO_NAMESPACE",
    "BAO_TOKEN",
    "DOPPLER_API_HOST",
    "DOPPLER_TOKEN",
    "INFISICAL_API_URL",
    "INFISICAL_CLIENT_ID",
    "INFISICAL_DOMAIN",
    "INFISICAL_TOKEN",
    "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
    "OP_ACCOUNT",
    "OP_CONNECT_HOST",
    "OP_CONNECT_TOKEN",
    "OP_SERVICE_ACCOUNT_TOKEN",
    "PASSWORD_STORE_DIR",
    "VAULT_ADDR",
    "VAULT_JWT",
    "VAULT_NAMESPACE",
    "VAULT_ROLE",
    "VAULT_ROLE_ID",
    "VAULT_TOKEN",
};

class Hash {
 public:
  Hash() { ::crypto_generichash_init(&state_, nullptr, 0, kHashSize); }
  ~Hash() { ::sodium_memzero(&state_, sizeof state_); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  // With its length, so that two texts in a row are not a third one.
  void add(std::string_view text) {
    const std::uint64_t size = text.size();
    update({reinterpret_cast<const char*>(&size), sizeof size});
    update(text);
  }
  std::string take() {
    unsigned char hash[kHashSize];
    ::crypto_generichash_final(&state_, hash, sizeof hash);
    return {reinterpret_cast<const char*>(hash), sizeof hash};
  }

 private:
  void update(std::string_view text) {
    ::crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(text.data()),
                                text.size());
  }

  crypto_generichash_state state_;
};

std::string accounts_in(const Environment& environment) {
  Hash hash;
  for (const std::string_view name : kAccountVariables) {
    hash.add(environment.get(name));
  }
  return hash.take();
}

// An entry is called HASH.SECONDS: how long any terms that it was kept under allow it.
std::chrono::seconds longest(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const auto seconds =
      dot == std::string_view::npos ? std::nullopt : base::parse_number(name.substr(dot + 1));
  return std::chrono::seconds(seconds.value_or(0));
}

// The version's size, a line break, the version, the value.
Secret pack(const Value& value) {
  SecretBuilder text;
  text.append(std::to_string(value.version.size()) + "\n" + value.version);
  text.append(value.secret.reveal());
  return text.take();
}

// What pack() made: the store vouches for every byte.
Value unpack(std::string_view text) {
  const std::size_t end = text.find('\n');
  const std::size_t size = base::parse_number(text.substr(0, end)).value_or(0);
  return {Secret(text.substr(end + 1 + size)), std::string(text.substr(end + 1, size)), {}};
}

bool unreachable(const Answer& answer) {
  const auto* failed = std::get_if<Failed>(&answer);
  return failed != nullptr &&
         (failed->failure == Failure::kUnavailable || failed->failure == Failure::kTimeout ||
          failed->failure == Failure::kRateLimited);
}

}  // namespace

struct Cache::Found {
  std::optional<Value> value;
  std::chrono::seconds age{0};
};

Cache::Cache(std::string directory, Environment environment, Clock clock)
    : store_(std::move(directory)), accounts_(accounts_in(environment)), clock_(std::move(clock)) {}

std::string Cache::name_of(const Reference& reference, const Account* account) const {
  Hash hash;
  hash.add(account == nullptr ? accounts_ : accounts_in(account->variables()));
  hash.add(reference.text);
  return base::hex(hash.take());
}

std::vector<Cache::Found> Cache::look_up(const std::vector<Reference>& references,
                                         const std::vector<CacheTerms>& terms,
                                         const Account* account) {
  std::vector<Found> found(references.size());
  if (!store_.exists()) {
    return found;
  }
  std::vector<LocalStore::Entry> entries = store_.list();
  const std::chrono::seconds now(clock_());
  std::erase_if(entries, [&](const LocalStore::Entry& entry) {
    const bool over = now - std::chrono::seconds(entry.time) >= longest(entry.name);
    if (over) {
      store_.remove(entry.name);
    }
    return over;
  });
  for (std::size_t i = 0; i < references.size(); ++i) {
    const std::string name = name_of(references[i], account) + ".";
    for (const LocalStore::Entry& entry : entries) {
      const std::chrono::seconds age = now - std::chrono::seconds(entry.time);
      // One from the future was written under another clock: how old it is nobody knows.
      if (terms[i].lifetime.count() == 0 || !entry.name.starts_with(name) || age.count() < 0 ||
          (found[i].value && found[i].age <= age)) {
        continue;
      }
      if (const std::optional<Value> kept = store_.get(entry.name)) {
        found[i] = {unpack(kept->secret.reveal()), age};
      }
    }
  }
  return found;
}

void Cache::keep(const Reference& reference, const CacheTerms& terms, const Value& value,
                 const Account* account) {
  const std::string name = name_of(reference, account) + ".";
  const std::string full = name + std::to_string(std::max(terms.lifetime, terms.offline).count());
  if (store_.exists()) {
    for (const LocalStore::Entry& entry : store_.list()) {
      if (entry.name.starts_with(name) && entry.name != full) {
        store_.remove(entry.name);
      }
    }
  }
  Secret packed = pack(value);
  if (packed.size() <= kLargest) {
    store_.set(full, packed);
  }
}

std::vector<Resolution> Cache::resolve(Resolver& resolver, const std::vector<Reference>& references,
                                       const std::vector<CacheTerms>& terms,
                                       std::chrono::milliseconds time_limit, bool anew) {
  if (std::none_of(terms.begin(), terms.end(),
                   [](const CacheTerms& one) { return one.lifetime.count() > 0; })) {
    return resolver.resolve(references, time_limit);
  }
  std::vector<Found> found = look_up(references, terms, resolver.account());
  std::vector<Resolution> resolutions(references.size());
  std::vector<Reference> asked;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (!anew && found[i].value && found[i].age < terms[i].lifetime) {
      resolutions[i] = {
          references[i], references[i].scheme, std::move(*found[i].value), {}, true, {}};
    } else {
      asked.push_back(references[i]);
      places.push_back(i);
    }
  }
  std::vector<Resolution> answers = resolver.resolve(asked, time_limit);
  for (std::size_t k = 0; k < answers.size(); ++k) {
    const std::size_t i = places[k];
    if (const auto* value = std::get_if<Value>(&answers[k].answer)) {
      // What is good for a time of its own ends with the session that it was made for.
      if (terms[i].lifetime.count() > 0 && value->lifetime.count() == 0) {
        keep(references[i], terms[i], *value, resolver.account());
      }
    } else if (unreachable(answers[k].answer) && found[i].value &&
               found[i].age < terms[i].offline) {
      answers[k].offline = std::get<Failed>(answers[k].answer).message;
      answers[k].answer = std::move(*found[i].value);
      answers[k].cached = true;
    }
    resolutions[i] = std::move(answers[k]);
  }
  return resolutions;
}

std::size_t Cache::clear() {
  std::size_t count = 0;
  if (store_.exists()) {
    for (const LocalStore::Entry& entry : store_.list()) {
      count += store_.remove(entry.name) ? 1 : 0;
    }
  }
  return count;
}

}  // namespace agentbox::resolver
