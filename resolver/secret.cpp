#include "resolver/secret.h"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace agentbox::resolver {

namespace {

using base::Error;
using base::Status;

// One page less the 16 bytes that libsodium puts before the value, so that the first growth of a
// builder costs one locked page and no more.
constexpr std::size_t kFirstCapacity = 4096 - 16;

[[noreturn]] void fail(const char* operation, std::size_t size, int error) {
  struct rlimit limit = {};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  throw Error(Status::kFailed,
              std::string("cannot ") + operation + " " + std::to_string(size) +
                  " bytes of memory for a secret: " + std::strerror(error) + " (" +
                  base::errno_name(error) + ")",
              "this process may lock " + std::to_string(limit.rlim_cur / 1024) +
                  " KiB; raise it with `ulimit -l 65536`, with LimitMEMLOCK= of its systemd unit, "
                  "or with `--ulimit memlock=-1` of its container");
}

char* allocate(std::size_t size) {
  static const bool ready = ::sodium_init() >= 0;
  if (!ready) {
    throw Error(Status::kFailed, "cannot initialise libsodium: no source of randomness");
  }
  void* data = ::sodium_malloc(size);
  if (data == nullptr) {
    fail("allocate", size, errno != 0 ? errno : ENOMEM);
  }
  // sodium_malloc goes on when its own mlock(2) or madvise(2) fails, so both are asked for again
  // here: on pages that have them already they change nothing, on others they tell.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  void* start = reinterpret_cast<void*>(address & ~(page - 1));
  const std::size_t length = size + (address & (page - 1));
  // A process that is forked later (a box's, a backend's program) must not start with a copy.
  if (::mlock(start, length) != 0 || ::madvise(start, length, MADV_DONTDUMP) != 0 ||
      ::madvise(start, length, MADV_WIPEONFORK) != 0) {
    const int error = errno;
    ::sodium_free(data);
    fail("lock", size, error);
  }
  std::memset(data, 0, size);
  return static_cast<char*>(data);
}

}  // namespace

Secret::Secret(std::size_t size) : data_(size == 0 ? nullptr : allocate(size)), size_(size) {}

Secret::Secret(std::string_view bytes) : Secret(bytes.size()) {
  if (!bytes.empty()) {
    std::memcpy(data_, bytes.data(), bytes.size());
  }
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    ::sodium_free(data_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

// sodium_free(3) wipes, checks the canary before the value and unlocks.
Secret::~Secret() { ::sodium_free(data_); }

Secret Secret::clone() const { return Secret(reveal()); }

void Secret::shrink(std::size_t size) {
  if (size < size_) {
    ::sodium_memzero(data_ + size, size_ - size);
    size_ = size;
  }
}

bool equal(const Secret& a, const Secret& b) {
  return a.size() == b.size() &&
         (a.empty() || ::sodium_memcmp(a.reveal().data(), b.reveal().data(), a.size()) == 0);
}

void wipe(std::string& text) {
  text.resize(text.capacity());  // what an earlier, longer content left behind is wiped too
  ::sodium_memzero(text.data(), text.size());
  text.clear();
}

[[gnu::noinline]] void wipe_stack() {
  char below[64 << 10];
  ::sodium_memzero(below, sizeof below);
}

void SecretBuilder::append(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  if (bytes.size() > buffer_.size() - used_) {
    Secret larger(std::max({buffer_.size() * 2, used_ + bytes.size(), kFirstCapacity}));
    if (used_ > 0) {
      std::memcpy(larger.bytes().data(), buffer_.reveal().data(), used_);
    }
    buffer_ = std::move(larger);
  }
  std::memcpy(buffer_.bytes().data() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

Secret SecretBuilder::take() {
  buffer_.shrink(std::exchange(used_, 0));
  return std::move(buffer_);
}

Secret read_secret(int fd, std::size_t limit, std::string_view name) {
  SecretBuilder builder;
  Secret chunk(kFirstCapacity);
  for (;;) {
    const ssize_t n = ::read(fd, chunk.bytes().data(), chunk.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    base::check(n, "read", name);
    if (n == 0) {
      return builder.take();
    }
    if (builder.size() + static_cast<std::size_t>(n) > limit) {
      throw Error(Status::kConfiguration,
                  std::string(name) + " is larger than " + std::to_string(limit) + " bytes");
    }
    builder.append(chunk.reveal().substr(0, static_cast<std::size_t>(n)));
  }
}

}  // namespace agentbox::resolver
