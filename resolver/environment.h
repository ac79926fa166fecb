// The variables that agentbox was started with, as backends read them.
#pragma once

#include <unistd.h>

#include <initializer_list>
#include <string_view>

namespace agentbox::resolver {

// A view of "NAME=value" strings up to a null pointer; the caller keeps them unchanged. The
// process's own by default: nothing in agentbox calls setenv(3). Credentials may be among them, so
// what get() returns goes into a Secret or nowhere. Thread-safe.
class Environment {
 public:
  Environment(const char* const* variables = environ) : variables_(variables) {}

  // The value of the first of `names` that is set and not empty, or "".
  std::string_view get(std::initializer_list<std::string_view> names) const;
  std::string_view get(std::string_view name) const { return get({name}); }

 private:
  const char* const* variables_;
};

}  // namespace agentbox::resolver
