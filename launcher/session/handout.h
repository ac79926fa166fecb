// Values for the user himself, outside any box.
#pragma once

#include <string>

#include "resolver/secret.h"
#include "resolver/template.h"

namespace agentbox::session {

// The value of one reference. `delivery` says on the log where it goes ("stdout", a path). Resolved
// and recorded as for a session; the record is durable before this returns. Throws base::Error.
resolver::Secret hand_out(const std::string& reference, const std::string& delivery);

// The text of a template with the values in it; `rule` names the template on the log.
resolver::Secret fill_in(resolver::Template pieces, const std::string& rule,
                         const std::string& delivery);

}  // namespace agentbox::session
