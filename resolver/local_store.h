// The embedded encrypted store behind local://NAME: it works without any account.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "resolver/resolver.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

// What went wrong in the store, for people (Error) and for the record (Failure).
class StoreError : public base::Error {
 public:
  StoreError(base::Status status, Failure failure, const std::string& message,
             std::string hint = {})
      : Error(status, message, std::move(hint)), failure_(failure) {}
  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

// Files in one private directory:
//   store.json  names, versions, times and encrypted values; replaced as a whole by rename(2)
//   key         32 random bytes, mode 0600, unless the store was made with a passphrase
//   lock        flock(2) of writers
// Values are sealed with XChaCha20-Poly1305 (libsodium, crypto_aead_xchacha20poly1305_ietf); the
// store, the name, the version and the time are authenticated with each, so that two values cannot
// be swapped. A passphrase becomes the key by Argon2id (RFC 9106 section 4: 3 passes, 64 MiB).
// Names are not secret. Whoever may write the directory can put back an old store as a whole.
// Not thread-safe; several processes may use one directory. Throws StoreError, base::SystemError.
class LocalStore {
 public:
  // Asks a person; an empty answer is refused. create() asks once: the prompt confirms.
  using Prompt = std::function<Secret()>;
  enum class Key { kFile, kPassphrase };

  struct Entry {
    std::string name;
    std::uint64_t version;  // from 1, one more with each set()
    std::int64_t time;      // of the last set(), seconds since 1970 (UTC)
  };

  // Nothing is opened or created yet. `directory` is absolute.
  explicit LocalStore(std::string directory, Prompt passphrase = nullptr)
      : directory_(std::move(directory)), prompt_(std::move(passphrase)) {}

  // Makes an empty store; one that exists is an error (kConfiguration).
  void create(Key key);
  bool exists() const;

  // Seals a value; the first one makes a store with a key file. Returns the new version. Empty
  // values and those above 1 MiB are refused.
  std::uint64_t set(const std::string& name, const Secret& value);
  // The same for a name that is free: nothing is sealed where another value has it. Gives the
  // version of this value there, or 0. Needs the key.
  std::uint64_t add(const std::string& name, const Secret& value);
  // Nothing if there is no such name.
  std::optional<Value> get(const std::string& name);
  // The same for many, in order, with the store read once.
  std::vector<std::optional<Value>> get_all(const std::vector<std::string>& names);
  // By name. Needs no key.
  std::vector<Entry> list() const;
  // False if there was no such name. Needs no key. Old copies of the file are not wiped.
  bool remove(const std::string& name);

 private:
  struct Document;

  Document load() const;
  std::uint64_t store(const std::string& name, const Secret& value, bool replace);
  void save(const Document& document) const;
  const Secret& key_of(const Document& document);
  Document make(Key key);

  std::string directory_;
  Prompt prompt_;
  Secret key_;  // of the store key_store_, once it is known
  std::string key_store_;
};

}  // namespace agentbox::resolver
