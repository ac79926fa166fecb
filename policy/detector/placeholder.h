// Values that stand for a secret without being one.
#pragma once

#include <string_view>

namespace agentbox::policy::detect {

// "${VAR}", "op://vault/item", "{{ secret }}", "ENC[...]", a hash: where the secret is, or what was
// made of it, but not the secret.
bool is_reference(std::string_view value);

// "changeme", "<your-key>", "xxxxxxxx", "1234567890", and the keys that vendors print in their
// documentation. `value` is what would be the secret, without a token's own prefix.
bool is_placeholder(std::string_view value);

// "hunter2", "password123": of an example, in code and documentation; of a lazy person, in
// settings.
bool is_common_password(std::string_view value);

// A path, a URL without a password, a digest by its name, a public key, an image.
bool is_harmless(std::string_view value);

}  // namespace agentbox::policy::detect
