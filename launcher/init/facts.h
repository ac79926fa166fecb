// What there is in a project that its first policy should know of.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace agentbox::init {

// A variable that a dotenv file sets: its name, never its value.
struct Variable {
  std::string name;
  std::string place;      // ".env:3"
  std::string reference;  // what stands there in place of a value; empty: a value
};

// A program that fetches packages, and the hosts it does so from.
struct PackageSource {
  std::string manifest;            // the file that shows it: "Gemfile"
  std::vector<std::string> hosts;  // "rubygems.org:443"
};

struct Facts {
  std::vector<Variable> credentials;    // that look like one; by name, each once
  std::size_t plain = 0;                // variables that do not
  std::vector<std::string> unreadable;  // dotenv files and why; no value is quoted
  std::vector<std::string> hidden;      // what a box would not see by its name; sorted
  std::vector<PackageSource> sources;   // of the project's root
};

// Walks the project. Values are read into locked memory, to find where the next name begins, and
// forgotten. Directories of packages and version control are passed over. Throws base::Error.
Facts look(const std::string& root, const policy::Policy& policy);

}  // namespace agentbox::init
