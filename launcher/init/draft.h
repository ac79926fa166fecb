// The text of a project's first policy. Pure.
#pragma once

#include <string>
#include <vector>

#include "launcher/init/facts.h"

namespace agentbox::init {

struct Wish {
  std::string project;                // names the secrets in the store: "shop"
  std::vector<std::string> profiles;  // to extend
  std::vector<std::string> reached;   // "host:port" that those give already
};

struct Draft {
  std::string text;                 // of agentbox.json
  std::vector<std::string> stored;  // names in the local store that have to be set
};

// A document that policy::parse() takes, with comments that say where each thing comes from.
Draft draft(const Facts& facts, const Wish& wish);

}  // namespace agentbox::init
