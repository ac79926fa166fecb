#include "resolver/local_store.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/file.h"
#include "resolver/reference.h"

namespace agentbox::resolver {

namespace {

using base::Status;
using base::UniqueFd;
using Json = nlohmann::json;

constexpr const char* kFormat = "agentbox local store 1";
constexpr const char* kStoreFile = "store.json";
constexpr const char* kKeyFile = "key";
constexpr const char* kLockFile = "lock";
constexpr std::size_t kStoreLimit = 64u << 20;
constexpr std::size_t kValueLimit = 1u << 20;
constexpr std::size_t kKeySize = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagSize = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr unsigned long long kPasses = 3;
constexpr std::size_t kPassMemory = 64u << 20;
// What a store may ask for: a forged one must not take all memory or all day.
constexpr unsigned long long kMostPasses = 20;
constexpr std::size_t kMostMemory = std::size_t{1} << 30;

unsigned char* bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

std::string random_bytes(std::size_t size) {
  std::string data(size, '\0');
  ::randombytes_buf(data.data(), data.size());
  return data;
}

std::string to_base64(std::string_view data) {
  std::string text(sodium_base64_ENCODED_LEN(data.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  ::sodium_bin2base64(text.data(), text.size(), bytes(data.data()), data.size(),
                      sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the terminating NUL
  return text;
}

[[noreturn]] void damaged(const std::string& what) {
  throw StoreError(Status::kConfiguration, Failure::kInvalidResponse,
                   "the local store is damaged or was changed: " + what,
                   "put store.json back from a backup, or set its secrets anew");
}

std::string from_base64(const std::string& text, std::string_view what) {
  std::string data(text.size(), '\0');
  std::size_t size = 0;
  if (::sodium_base642bin(bytes(data.data()), data.size(), text.data(), text.size(), nullptr, &size,
                          nullptr, sodium_base64_VARIANT_ORIGINAL) != 0) {
    damaged("bad base64 in " + std::string(what));
  }
  data.resize(size);
  return data;
}

struct Sealed {
  std::uint64_t version = 0;
  std::int64_t time = 0;
  std::string nonce;
  std::string box;
};

// What is authenticated with a value. Fields cannot run into each other: names hold no line break.
std::string associated(const std::string& store, const std::string& name, std::uint64_t version,
                       std::int64_t time) {
  return std::string(kFormat) + "\n" + store + "\n" + name + "\n" + std::to_string(version) + "\n" +
         std::to_string(time);
}

void seal(Sealed& sealed, std::string_view value, const std::string& with, const Secret& key) {
  sealed.nonce = random_bytes(kNonceSize);
  sealed.box.resize(value.size() + kTagSize);
  ::crypto_aead_xchacha20poly1305_ietf_encrypt(
      bytes(sealed.box.data()), nullptr, bytes(value.data()), value.size(), bytes(with.data()),
      with.size(), nullptr, bytes(sealed.nonce.data()), bytes(key.reveal().data()));
}

std::optional<Secret> unseal(const Sealed& sealed, const std::string& with, const Secret& key) {
  if (sealed.box.size() < kTagSize || sealed.nonce.size() != kNonceSize) {
    return std::nullopt;
  }
  Secret value(sealed.box.size() - kTagSize);
  if (::crypto_aead_xchacha20poly1305_ietf_decrypt(
          bytes(value.bytes().data()), nullptr, nullptr, bytes(sealed.box.data()),
          sealed.box.size(), bytes(with.data()), with.size(), bytes(sealed.nonce.data()),
          bytes(key.reveal().data())) != 0) {
    return std::nullopt;
  }
  return value;
}

void check_name(const std::string& name) {
  if (!is_local_name(name)) {
    throw StoreError(Status::kConfiguration, Failure::kInvalidReference,
                     "\"" + base::printable(name) + "\" cannot be a name in the local store",
                     "use letters, digits, \"-\", \"_\", \".\" and \"/\", 128 characters at most");
  }
}

void check_private(const struct stat& status, mode_t forbidden, const std::string& path) {
  if (status.st_uid != ::geteuid()) {
    throw StoreError(Status::kDenied, Failure::kPermissionDenied,
                     path + " belongs to another user (uid " + std::to_string(status.st_uid) + ")",
                     "`chown` it to the user that runs agentbox");
  }
  if ((status.st_mode & forbidden) != 0) {
    throw StoreError(Status::kDenied, Failure::kPermissionDenied, path + " is open to other users",
                     "`chmod go-rwx " + path + "`");
  }
}

UniqueFd open_directory(const std::string& path, bool create) {
  UniqueFd directory = create ? base::open_private_directory(path)
                              : base::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat status = {};
  base::check(::fstat(directory.get(), &status), "stat", path);
  check_private(status, S_IWGRP | S_IWOTH, path);
  return directory;
}

// Held until the descriptor is closed; the file stays.
UniqueFd lock_for_writing(int directory) {
  UniqueFd lock = base::open_at(directory, kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      base::check(-1, "lock", kLockFile);
    }
  }
  return lock;
}

Secret read_key(int directory, const std::string& path) {
  UniqueFd fd;
  try {
    fd = base::open_at(directory, kKeyFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (const base::SystemError& error) {
    if (error.error() == ENOENT) {
      throw StoreError(Status::kConfiguration, Failure::kAuthFailed,
                       "the key of the local store is missing: " + path,
                       "put it back from a backup; without it the values cannot be read");
    }
    if (error.error() == ELOOP) {
      throw StoreError(Status::kDenied, Failure::kPermissionDenied, path + " is a symbolic link",
                       "put the key itself there");
    }
    throw;
  }
  struct stat status = {};
  base::check(::fstat(fd.get(), &status), "stat", path);
  if (!S_ISREG(status.st_mode) || status.st_size != static_cast<off_t>(kKeySize)) {
    throw StoreError(Status::kConfiguration, Failure::kAuthFailed,
                     path + " is not a key of 32 bytes", "put it back from a backup");
  }
  check_private(status, S_IRWXG | S_IRWXO, path);
  return read_secret(fd.get(), kKeySize, path);
}

// The key, made if there is none yet: a crash between key and store leaves a key that is good.
Secret make_key(int directory, const std::string& path) {
  if (::faccessat(directory, kKeyFile, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
    Secret key(kKeySize);
    ::randombytes_buf(key.bytes().data(), key.size());
    base::replace_file(directory, kKeyFile, key.reveal(), 0600);
  }
  return read_key(directory, path);
}

}  // namespace

struct LocalStore::Document {
  std::string id;  // random, so that values of two stores cannot be exchanged
  Key key = Key::kFile;
  std::string salt;
  unsigned long long passes = 0;
  std::size_t memory = 0;
  Sealed check;  // seals nothing: tells a wrong key from a changed value
  std::map<std::string, Sealed> secrets;
};

namespace {

Json to_json(const Sealed& sealed) {
  return {{"version", sealed.version},
          {"time", sealed.time},
          {"nonce", to_base64(sealed.nonce)},
          {"box", to_base64(sealed.box)}};
}

Sealed sealed_from(const Json& json, const std::string& name) {
  Sealed sealed;
  sealed.version = json.at("version").get<std::uint64_t>();
  sealed.time = json.at("time").get<std::int64_t>();
  sealed.nonce = from_base64(json.at("nonce").get<std::string>(), name);
  sealed.box = from_base64(json.at("box").get<std::string>(), name);
  return sealed;
}

}  // namespace

bool LocalStore::exists() const {
  return ::access((directory_ + "/" + kStoreFile).c_str(), F_OK) == 0;
}

LocalStore::Document LocalStore::load() const {
  const UniqueFd directory = open_directory(directory_, false);
  const UniqueFd fd = base::open_at(directory.get(), kStoreFile, O_RDONLY | O_NOFOLLOW);
  const std::string text = base::read_all(fd.get(), kStoreLimit, directory_ + "/" + kStoreFile);
  Document document;
  try {
    const Json json = Json::parse(text);
    if (json.at("format").get<std::string>() != kFormat) {
      damaged("not a store of this version");
    }
    document.id = json.at("id").get<std::string>();
    const Json& key = json.at("key");
    if (key.at("kind").get<std::string>() == "passphrase") {
      document.key = Key::kPassphrase;
      document.salt = from_base64(key.at("salt").get<std::string>(), "the salt");
      document.passes = key.at("passes").get<unsigned long long>();
      document.memory = key.at("memory").get<std::size_t>();
      if (document.salt.size() != crypto_pwhash_SALTBYTES || document.passes < 1 ||
          document.passes > kMostPasses || document.memory < crypto_pwhash_MEMLIMIT_MIN ||
          document.memory > kMostMemory) {
        damaged("bad parameters of the passphrase");
      }
    } else if (key.at("kind").get<std::string>() != "file") {
      damaged("unknown kind of key");
    }
    document.check = sealed_from(json.at("check"), "the check value");
    for (const auto& [name, sealed] : json.at("secrets").items()) {
      check_name(name);
      document.secrets[name] = sealed_from(sealed, name);
    }
  } catch (const Json::exception&) {
    damaged("store.json is cut short or is not what agentbox wrote");
  }
  return document;
}

void LocalStore::save(const Document& document) const {
  Json key = {{"kind", "file"}};
  if (document.key == Key::kPassphrase) {
    key = {{"kind", "passphrase"},
           {"salt", to_base64(document.salt)},
           {"passes", document.passes},
           {"memory", document.memory}};
  }
  Json secrets = Json::object();
  for (const auto& [name, sealed] : document.secrets) {
    secrets[name] = to_json(sealed);
  }
  const Json json = {{"format", kFormat},
                     {"id", document.id},
                     {"key", key},
                     {"check", to_json(document.check)},
                     {"secrets", secrets}};
  const UniqueFd directory = open_directory(directory_, false);
  base::replace_file(directory.get(), kStoreFile, json.dump(1) + "\n", 0600);
}

const Secret& LocalStore::key_of(const Document& document) {
  if (!key_.empty() && key_store_ == document.id) {
    return key_;
  }
  Secret key;
  if (document.key == Key::kFile) {
    const UniqueFd directory = open_directory(directory_, false);
    key = read_key(directory.get(), directory_ + "/" + kKeyFile);
  } else {
    if (!prompt_) {
      throw StoreError(Status::kConfiguration, Failure::kAuthRequired,
                       "the local store wants its passphrase, and there is no terminal to ask on",
                       "start agentbox in a terminal");
    }
    const Secret passphrase = prompt_();
    if (passphrase.empty()) {
      throw StoreError(Status::kConfiguration, Failure::kAuthRequired,
                       "no passphrase for the local store was given");
    }
    key = Secret(kKeySize);
    if (::crypto_pwhash(bytes(key.bytes().data()), key.size(), passphrase.reveal().data(),
                        passphrase.size(), bytes(document.salt.data()), document.passes,
                        document.memory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
      throw StoreError(Status::kFailed, Failure::kUnavailable,
                       "no memory to derive the key of the local store (" +
                           std::to_string(document.memory >> 20) + " MiB)");
    }
  }
  const bool made_now = document.check.box.empty();
  if (!made_now &&
      !unseal(document.check, associated(document.id, "", 0, document.check.time), key)) {
    const bool file = document.key == Key::kFile;
    throw StoreError(Status::kConfiguration, Failure::kAuthFailed,
                     file ? "the key file does not belong to this local store"
                          : "wrong passphrase for the local store",
                     file ? "put the right " + directory_ + "/key back from a backup" : "");
  }
  key_ = std::move(key);
  key_store_ = document.id;
  return key_;
}

LocalStore::Document LocalStore::make(Key kind) {
  if (::sodium_init() < 0) {
    throw StoreError(Status::kFailed, Failure::kUnavailable, "cannot initialise libsodium");
  }
  Document document;
  document.id = base::hex(random_bytes(16));
  document.key = kind;
  if (kind == Key::kPassphrase) {
    document.salt = random_bytes(crypto_pwhash_SALTBYTES);
    document.passes = kPasses;
    document.memory = kPassMemory;
  } else {
    const UniqueFd directory = open_directory(directory_, false);
    make_key(directory.get(), directory_ + "/" + kKeyFile);
  }
  const Secret& key = key_of(document);
  document.check.time = std::time(nullptr);
  seal(document.check, "", associated(document.id, "", 0, document.check.time), key);
  return document;
}

void LocalStore::create(Key key) {
  const UniqueFd directory = open_directory(directory_, true);
  const UniqueFd lock = lock_for_writing(directory.get());
  if (exists()) {
    throw StoreError(Status::kConfiguration, Failure::kInvalidValue,
                     "there is a local store in " + directory_ + " already",
                     "move its directory away to begin another");
  }
  save(make(key));
}

std::uint64_t LocalStore::set(const std::string& name, const Secret& value) {
  return store(name, value, true);
}

std::uint64_t LocalStore::add(const std::string& name, const Secret& value) {
  return store(name, value, false);
}

std::uint64_t LocalStore::store(const std::string& name, const Secret& value, bool replace) {
  check_name(name);
  if (value.empty() || value.size() > kValueLimit) {
    throw StoreError(Status::kConfiguration, Failure::kInvalidValue,
                     value.empty() ? "the value is empty" : "the value is larger than 1 MiB");
  }
  const UniqueFd directory = open_directory(directory_, true);
  const UniqueFd lock = lock_for_writing(directory.get());
  Document document = exists() ? load() : make(Key::kFile);
  const Secret& key = key_of(document);
  if (!replace && document.secrets.contains(name)) {
    const std::optional<Value> present = get(name);
    return equal(present->secret, value) ? document.secrets[name].version : 0;
  }
  Sealed& sealed = document.secrets[name];
  ++sealed.version;
  sealed.time = std::time(nullptr);
  seal(sealed, value.reveal(), associated(document.id, name, sealed.version, sealed.time), key);
  save(document);
  return sealed.version;
}

std::optional<Value> LocalStore::get(const std::string& name) {
  return std::move(get_all({name})[0]);
}

std::vector<std::optional<Value>> LocalStore::get_all(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    check_name(name);
  }
  std::vector<std::optional<Value>> values(names.size());
  if (!exists()) {
    return values;
  }
  const Document document = load();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = document.secrets.find(names[i]);
    if (found == document.secrets.end()) {
      continue;
    }
    const Sealed& sealed = found->second;
    std::optional<Secret> secret = unseal(
        sealed, associated(document.id, names[i], sealed.version, sealed.time), key_of(document));
    if (!secret) {
      damaged("the value of " + names[i] + " is not what was stored under that name");
    }
    values[i] = Value{std::move(*secret), std::to_string(sealed.version)};
  }
  return values;
}

std::vector<LocalStore::Entry> LocalStore::list() const {
  std::vector<Entry> entries;
  if (exists()) {
    for (const auto& [name, sealed] : load().secrets) {
      entries.push_back({name, sealed.version, sealed.time});
    }
  }
  return entries;
}

bool LocalStore::remove(const std::string& name) {
  check_name(name);
  if (!exists()) {
    return false;
  }
  const UniqueFd directory = open_directory(directory_, false);
  const UniqueFd lock = lock_for_writing(directory.get());
  Document document = load();
  if (document.secrets.erase(name) == 0) {
    return false;
  }
  save(document);
  return true;
}

}  // namespace agentbox::resolver
