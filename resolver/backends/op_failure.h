// What op's error texts mean: it exits with 1 whatever happened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resolver/resolver.h"

namespace agentbox::resolver {

// `errors` is op's standard error; `names` are texts in it that people chose (references), which
// must not be taken for op's own words. The message is op's first error line, printable and at
// most 300 bytes. Pure.
Failed explain_op_failure(std::string_view errors, const std::vector<Reference>& names);

}  // namespace agentbox::resolver
