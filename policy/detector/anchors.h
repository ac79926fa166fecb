// The literals that the scan looks for, and what each of them may be the sign of.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "policy/detector/scan.h"
#include "policy/detector/shape.h"

namespace agentbox::policy::detect {

struct TokenShape {
  Shape shape;
  const SecretKind* kind = nullptr;
};

struct Anchor {
  std::string_view literal;  // in static storage
  bool any_case = false;
  std::vector<TokenShape> shapes;
  std::vector<Handler> handlers;
};

// In an order that depends on the tables alone: an anchor's place is its number in the database
// that the build makes.
std::vector<Anchor> make_anchors();

// Of all kinds, by their tables' order.
std::vector<SecretKind> all_kinds();

}  // namespace agentbox::policy::detect
