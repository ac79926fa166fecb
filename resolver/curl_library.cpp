#include "resolver/curl_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "resolver/wiping_allocator.h"

namespace agentbox::resolver {

namespace {

constexpr const char* kHint = "install it: `apt install libcurl4`";

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
  wipe_openssl_memory(library);
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
