#include "resolver/curl_library.h"

#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace agentbox::resolver {

namespace {

constexpr const char* kHint = "install it: `apt install libcurl4`";

void wiping_free(void* memory) {
  if (memory != nullptr) {
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
    std::free(memory);
  }
}

void* wiping_realloc(void* memory, std::size_t size) {
  if (memory == nullptr) {
    return std::malloc(size);
  }
  void* moved = std::malloc(size);
  if (moved != nullptr) {
    std::memcpy(moved, memory, std::min(size, ::malloc_usable_size(memory)));
    wiping_free(memory);
  }
  return moved;
}

// OpenSSL's allocator functions (CRYPTO_set_mem_functions(3)) are told file and line too.
void* openssl_malloc(std::size_t size, const char* /*file*/, int /*line*/) {
  return std::malloc(size);
}
void* openssl_realloc(void* memory, std::size_t size, const char* /*file*/, int /*line*/) {
  if (size == 0) {
    wiping_free(memory);
    return nullptr;
  }
  return wiping_realloc(memory, size);
}
void openssl_free(void* memory, const char* /*file*/, int /*line*/) { wiping_free(memory); }

using OpensslSetMemory = int (*)(decltype(&openssl_malloc), decltype(&openssl_realloc),
                                 decltype(&openssl_free));

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw base::Error(base::Status::kFailed,
                      std::string("the libcurl of this system is too old: it has no ") + name,
                      kHint);
  }
}

CurlLibrary load() {
  // Never closed: OpenSSL leaves handlers behind that run at exit.
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw base::Error(base::Status::kFailed,
                      std::string("cannot load libcurl, which this reference's backend needs: ") +
                          (why != nullptr ? why : "no reason given"),
                      kHint);
  }
  // Before anything in there allocates. A libcurl with another TLS library does not have it.
  if (auto set = reinterpret_cast<OpensslSetMemory>(::dlsym(library, "CRYPTO_set_mem_functions"))) {
    set(openssl_malloc, openssl_realloc, openssl_free);
  }
  decltype(&::curl_global_init_mem) initialise = nullptr;
  find(library, "curl_global_init_mem", initialise);
  if (initialise(CURL_GLOBAL_ALL, std::malloc, wiping_free, wiping_realloc, ::strdup,
                 std::calloc) != CURLE_OK) {
    throw base::Error(base::Status::kFailed, "cannot initialise libcurl");
  }
  CurlLibrary curl = {};
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  find(library, "curl_multi_init", curl.multi_init);
  find(library, "curl_multi_cleanup", curl.multi_cleanup);
  find(library, "curl_multi_setopt", curl.multi_setopt);
  find(library, "curl_multi_add_handle", curl.multi_add_handle);
  find(library, "curl_multi_remove_handle", curl.multi_remove_handle);
  find(library, "curl_multi_perform", curl.multi_perform);
  find(library, "curl_multi_poll", curl.multi_poll);
  find(library, "curl_multi_info_read", curl.multi_info_read);
  find(library, "curl_multi_wakeup", curl.multi_wakeup);
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace agentbox::resolver
