// What this box's broker knows and answers.
#pragma once

#include <vector>

#include "launcher/broker/broker.h"
#include "launcher/session/grants.h"
#include "launcher/session/late_secrets.h"
#include "launcher/session/prepared.h"
#include "launcher/session/recorder.h"
#include "launcher/session/tier.h"

namespace agentbox::session {

// Names and places of what the scope grants, never a value; explanations of this policy. Siblings
// are asked for at `nursery` (nursery::ask), if it is not -1; by the box of a command, no other
// command. Keeps references to `prepared`, `late`
// and `recorder`, and the number.
broker::Context broker_context(const Prepared& prepared, Tier tier, const audit::Record& common,
                               const std::vector<Grant>& grants, LateSecrets& late,
                               Recorder& recorder, int nursery, bool of_command);

}  // namespace agentbox::session
