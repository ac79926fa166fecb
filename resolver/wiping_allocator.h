// An allocator for libraries that handle secrets in ordinary memory: what is freed is wiped.
#pragma once

#include <cstddef>

namespace agentbox::resolver {

// As free(3) and realloc(3); nothing of a block is left behind in the heap. Thread-safe.
void wiping_free(void* memory);
void* wiping_realloc(void* memory, std::size_t size);

// Gives OpenSSL this allocator (CRYPTO_set_mem_functions(3)), found in `library` (dlopen(3)) if it
// has it. Has an effect before the library's first allocation only.
void wipe_openssl_memory(void* library);

}  // namespace agentbox::resolver
