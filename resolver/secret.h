// A secret value in memory that is locked, kept out of core dumps and wiped.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace agentbox::resolver {

// Owns `size` bytes in guarded, mlocked pages (libsodium, "Secure memory") that core dumps leave
// out and forked processes find zeroed. Each value takes at least one page of RLIMIT_MEMLOCK
// (getrlimit(2)): 8 MiB, the usual limit, holds about 2,000 values. Move-only, no stream operator,
// no conversion to std::string. Not thread-safe. Throws base::Error (kFailed) if memory cannot be
// locked, with the fix.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size);        // zeroed
  explicit Secret(std::string_view bytes);  // copies; the caller wipes its own
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Valid until the Secret is moved from or destroyed. Never store it in a std::string.
  std::string_view reveal() const { return {data_, size_}; }
  std::span<char> bytes() { return {data_, size_}; }

  Secret clone() const;           // explicit, so that every copy can be grepped
  void shrink(std::size_t size);  // wipes the tail

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Constant-time in the content (not in the length).
bool equal(const Secret& a, const Secret& b);

// Wipes memory that held a value and is not a Secret (a library's buffer, a std::string).
void wipe(std::string& text);

// Overwrites the 64 KiB of stack below the caller: what returned functions, and registers that were
// saved there, left of a value. For the end of work on values, on the thread that did it.
void wipe_stack();

// Appends pieces into one Secret that grows by doubling in locked memory. Throws as Secret does.
class SecretBuilder {
 public:
  void append(std::string_view bytes);
  std::size_t size() const { return used_; }
  Secret take();  // leaves the builder empty

 private:
  Secret buffer_;
  std::size_t used_ = 0;
};

// The rest of a descriptor, straight into locked memory and not trimmed; more than `limit` bytes is
// an Error (kConfiguration) that names `name`. Throws SystemError if read(2) fails.
Secret read_secret(int fd, std::size_t limit, std::string_view name);

}  // namespace agentbox::resolver
