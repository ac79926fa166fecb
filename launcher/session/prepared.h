// All that is decided before anything is resolved or started.
#pragma once

#include "audit/log.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/project.h"
#include "launcher/session/session.h"
#include "policy/policy.h"

namespace agentbox::session {

// Who, where, and under which policy. Throws base::Error: what find_project, load_layers and
// effective_policy throw, and kConfiguration for a scope that the policy does not have.
struct Prepared {
  explicit Prepared(const RunRequest& request);

  Identity identity;
  Project project;
  Layers layers;
  policy::Policy policy;
};

// What all records of one session share, with a new session and box id.
audit::Record common_record(const Prepared& prepared, const RunRequest& request);

}  // namespace agentbox::session
