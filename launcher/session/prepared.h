// All that is decided before anything is resolved or started.
#pragma once

#include "audit/log.h"
#include "launcher/session/commands.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/project.h"
#include "launcher/session/session.h"
#include "policy/parameters.h"
#include "policy/policy.h"

namespace agentbox::session {

// Who, where, and under which policy. Throws base::Error: what find_project, load_layers,
// effective_policy, bind_parameters and find_commands throw, and kConfiguration for a scope that
// the policy does not have.
struct Prepared {
  explicit Prepared(const RunRequest& request);
  // The same for another box of the session, in `scope`, with these parameters.
  Prepared(const Prepared& first, const std::string& scope, const policy::Parameters& values);

  Identity identity;
  Project project;
  Layers layers;
  policy::Policy unbound;  // as it is written
  policy::Parameters parameters;
  policy::Policy policy;  // with the variables of this box's scope bound
  HeldPrograms commands;
};

// Which box of a session it is.
struct Place {
  std::string session, box;
  std::string parent;  // empty for the first one
  std::string chain;   // the scopes on the way to it, "main/tests"
};

// The first one of a new session.
Place first_place(const std::string& scope);

// What all records of one box share.
audit::Record common_record(const Prepared& prepared, const RunRequest& request,
                            const Place& place);

}  // namespace agentbox::session
