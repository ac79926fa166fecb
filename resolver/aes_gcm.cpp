#include "resolver/aes_gcm.h"

#include <dlfcn.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "resolver/wiping_allocator.h"

namespace agentbox::resolver {

namespace {

constexpr const char* kHint = "install it: `apt install libssl3`";

struct CryptoLibrary {
  decltype(&::EVP_CIPHER_CTX_new) make;
  decltype(&::EVP_CIPHER_CTX_free) free;
  decltype(&::EVP_CIPHER_CTX_ctrl) control;
  decltype(&::EVP_aes_256_gcm) aes_256_gcm;
  decltype(&::EVP_DecryptInit_ex) start;
  decltype(&::EVP_DecryptUpdate) update;
  decltype(&::EVP_DecryptFinal_ex) finish;
};

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw base::Error(base::Status::kFailed, std::string("this system's libcrypto has no ") + name,
                      kHint);
  }
}

CryptoLibrary load() {
  void* library = ::dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw base::Error(base::Status::kFailed,
                      std::string("cannot load libcrypto, which decrypts SOPS files: ") +
                          (why != nullptr ? why : "no reason given"),
                      kHint);
  }
  wipe_openssl_memory(library);
  CryptoLibrary crypto = {};
  find(library, "EVP_CIPHER_CTX_new", crypto.make);
  find(library, "EVP_CIPHER_CTX_free", crypto.free);
  find(library, "EVP_CIPHER_CTX_ctrl", crypto.control);
  find(library, "EVP_aes_256_gcm", crypto.aes_256_gcm);
  find(library, "EVP_DecryptInit_ex", crypto.start);
  find(library, "EVP_DecryptUpdate", crypto.update);
  find(library, "EVP_DecryptFinal_ex", crypto.finish);
  return crypto;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::optional<Secret> open_aes_gcm(const Secret& key, std::string_view iv, std::string_view text,
                                   std::string_view tag, std::string_view associated) {
  static const CryptoLibrary crypto = load();
  constexpr std::size_t kKey = 32, kTag = 16;
  if (key.size() != kKey || tag.size() != kTag || iv.empty()) {
    return std::nullopt;
  }
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(crypto.free)> context(crypto.make(), crypto.free);
  Secret plain(text.size());
  auto* out = reinterpret_cast<unsigned char*>(plain.bytes().data());
  std::string expected(tag);  // the interface takes it as changeable
  int size = 0;
  unsigned char rest[16];
  const bool good =
      context != nullptr &&
      crypto.start(context.get(), crypto.aes_256_gcm(), nullptr, nullptr, nullptr) == 1 &&
      crypto.control(context.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(iv.size()),
                     nullptr) == 1 &&
      crypto.start(context.get(), nullptr, nullptr, bytes(key.reveal()), bytes(iv)) == 1 &&
      crypto.update(context.get(), nullptr, &size, bytes(associated),
                    static_cast<int>(associated.size())) == 1 &&
      (text.empty() ||
       crypto.update(context.get(), out, &size, bytes(text), static_cast<int>(text.size())) == 1) &&
      crypto.control(context.get(), EVP_CTRL_AEAD_SET_TAG, kTag, expected.data()) == 1 &&
      crypto.finish(context.get(), rest, &size) == 1;
  return good ? std::optional<Secret>(std::move(plain)) : std::nullopt;
}

}  // namespace agentbox::resolver
