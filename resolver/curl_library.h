// libcurl, loaded when the first reference needs a network: launches without one do not pay for it.
#pragma once

#include <curl/curl.h>

namespace agentbox::resolver {

// The functions of libcurl that this room uses (libcurl 7.84 or later, its C API).
struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_perform) multi_perform;
  decltype(&::curl_multi_poll) multi_poll;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_multi_wakeup) multi_wakeup;
};

// Loads the library at the first call and keeps it. libcurl and the OpenSSL that it brings get an
// allocator that wipes what it frees, so that no request or response survives in their buffers;
// while a transfer runs those are ordinary memory, neither locked nor kept out of core dumps.
// Thread-safe. Throws base::Error (kFailed) if the library is not there or too old.
const CurlLibrary& curl_library();

}  // namespace agentbox::resolver
