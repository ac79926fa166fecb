// On whose account the references of a scope are resolved.
#pragma once

#include <memory>

#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"
#include "policy/policy.h"
#include "resolver/account.h"

namespace agentbox::session {

// The scope's own (`accounts`, bound), or nullptr: the user's. The references among its variables
// are resolved on the user's own account, in the supervisor, and recorded; no box gets any of their
// values. Throws Error: kConfiguration for what cannot be resolved, has a value that is no
// credential, or would end with a lease.
std::shared_ptr<const resolver::Account> find_account(const policy::Scope& scope,
                                                      const Project& project, Recorder& recorder,
                                                      Ask ask = Ask::kTerminal,
                                                      Look look = Look::kLaunch);

}  // namespace agentbox::session
