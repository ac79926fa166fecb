// Puts values into a store that is not agentbox's own, for `agentbox import`.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/resolver.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

// A variable's value on its way; the caller keeps the Secret.
struct NewValue {
  std::string name;  // [A-Za-z_][A-Za-z0-9_]*
  const Secret* value = nullptr;
};

// What became of them. What was there already is left for the caller to compare, by reading it.
struct Written {
  bool changed = false;  // something was written; else all of it was there
};

// All values of one import go to one place, in one step. Used from one thread at a time.
class Writer {
 public:
  virtual ~Writer() = default;
  // The place, for messages: "vault secret/shop", "the 1Password item shop in vault Private".
  virtual std::string place() const = 0;
  // What resolves to the value of that name once it is written. Asks nobody.
  virtual std::string reference(std::string_view name) const = 0;
  // Everything or nothing, and never over another value. Blocks up to `deadline`. Throws
  // base::Error if memory cannot be locked or a program cannot be started.
  virtual std::variant<Written, Failed> write(const std::vector<NewValue>& values,
                                              std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace agentbox::resolver
