// Hands values on to who asked for them, and what is a value within one.
#pragma once

#include <string_view>
#include <vector>

#include "launcher/values/harvest.h"
#include "resolver/secret.h"

namespace agentbox::values {

class Collector {
 public:
  explicit Collector(const Taker& take) : take_(take) {}

  // A value as it is meant, with its parts.
  void value(std::string_view value, std::string_view key) { take(value, key, 0); }
  // A value as it is written between quotes: with escapes (`\n`, `\"`, `\u00e9`) also undone.
  void quoted(std::string_view written, std::string_view key);
  // The bodies of the private keys in PEM and PGP armour, without the lines around them.
  void keys(std::string_view text);

 private:
  void take(std::string_view value, std::string_view key, int depth);
  void parts(std::string_view value, std::string_view key, int depth);
  void decoded(std::string_view value, std::string_view key, int depth);

  const Taker& take_;
  std::vector<resolver::Secret> spare_;  // locked memory that is free
};

}  // namespace agentbox::values
