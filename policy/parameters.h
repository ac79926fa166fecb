// Parameters: what a box is started with besides its scope ("tenant=acme"), for the variables in
// the references of that scope ("op://tenant-${tenant}/db/password").
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace agentbox::policy {

using Parameters = std::map<std::string, std::string>;

inline constexpr std::size_t kLongestParameter = 64;  // bytes of a value, whatever the policy says

// Whether a value can stand in a reference without changing its structure: letters, digits, "-",
// "_" and ".", a letter or digit first, no "..", kLongestParameter at most. Pure.
bool is_plain_value(std::string_view value);

// The names of the variables in a text, in order. Throws base::Error (kConfiguration) with `place`
// for a "$" that begins none, and for one before or in the "://" of a reference.
std::vector<std::string> variables_in(std::string_view text, const Place& place);

// The text with its variables' values in their place. Throws base::Error: kConfiguration for a
// variable without a value, kDenied for a value with a "." behind the reference's "#", where that
// divides the names of keys.
std::string bound_text(std::string_view text, const Parameters& values, const Place& place);

// Refuses a "values" list or pattern that cannot be used. Throws base::Error (kConfiguration).
void check_parameter(const Parameter& parameter);

// The parameters of a box in `scope`: those `given` for it, and of the `fixed` ones (of the boxes
// above it) the rest. Throws base::Error (kDenied): for one that the scope does not declare, that
// it needs and nobody gives, that its pattern or values do not allow, that is_plain_value()
// refuses, or that is fixed to another value above.
Parameters bind_parameters(const Scope& scope, const Parameters& given, const Parameters& fixed);

// The policy with the variables of this scope's secrets and accounts bound; all else, and the hash,
// is the policy's. Throws as bound_text().
Policy bound_policy(const Policy& policy, const std::string& scope, const Parameters& values);

// "tenant=acme" of a command line. Throws base::Error (kFailed) for another form and for a name
// that stands there twice.
Parameters read_parameters(const std::vector<std::string>& words);

// "tenant=acme, zone=eu", for people and the log.
std::string text_of(const Parameters& values);

}  // namespace agentbox::policy
