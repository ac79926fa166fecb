#include "audit/id.h"

#include <sys/random.h>

#include <chrono>
#include <cstdint>

#include "base/error.h"

namespace agentbox::audit {

std::string new_id() {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  constexpr int kTimeDigits = 10;
  constexpr int kRandomDigits = 16;

  unsigned char random[kRandomDigits];
  base::check(::getrandom(random, sizeof random, 0), "getrandom");
  auto milliseconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  std::string id(kTimeDigits + kRandomDigits, '0');
  for (std::size_t i = kTimeDigits; i-- > 0; milliseconds >>= 5) {
    id[i] = kDigits[milliseconds & 31];
  }
  for (std::size_t i = 0; i < kRandomDigits; ++i) {
    id[kTimeDigits + i] = kDigits[random[i] & 31];
  }
  return id;
}

}  // namespace agentbox::audit
