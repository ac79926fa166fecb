// Reads the policy documents of a session and decides which of them may speak.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/session/project.h"
#include "policy/policy.h"

namespace agentbox::session {

struct Request {
  std::vector<std::string> profiles;
  std::string policy_file;  // --policy; empty: the repository's document speaks
  std::string program;      // the command's base name: a shipped profile of that name is the default
};

struct Layers {
  policy::Sources sources;
  std::string digest;  // of the repository's document and the templates it names; empty: has none
  // The text of each template that the repository's document names, by absolute path: what consent
  // was given to, and so what is used. A box that runs beside may change the file at any time.
  std::map<std::string, std::string> templates;
  bool trusted = false;
  std::vector<policy::Widening> widenings;  // of the repository's document
};

// Reads and parses. A profile is a file of the user's (CONFIG/profiles/NAME.json) or a shipped one.
// Throws base::Error.
Layers load_layers(const Project& project, const Request& request);
policy::ProfileSource profile_source();

// The merged policy. Throws Error (kDenied), naming every widening, if the repository's document
// widens and the user has not consented to exactly it.
policy::Policy effective_policy(const Project& project, const Layers& layers);

}  // namespace agentbox::session
