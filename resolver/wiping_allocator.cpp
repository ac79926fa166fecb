#include "resolver/wiping_allocator.h"

#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace agentbox::resolver {

namespace {

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

}  // namespace

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

void wipe_openssl_memory(void* library) {
  if (auto set = reinterpret_cast<OpensslSetMemory>(::dlsym(library, "CRYPTO_set_mem_functions"))) {
    set(openssl_malloc, openssl_realloc, openssl_free);
  }
}

}  // namespace agentbox::resolver
