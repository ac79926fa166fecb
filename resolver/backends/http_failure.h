// What the backends that speak HTTP say when something fails.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// No response at all. `address` names what configures the server's address and `authority` what
// names its certificate authority, for the hint ("VAULT_ADDR", "VAULT_CACERT").
Failed explain_http_failure(const HttpFailure& failure, std::string_view address,
                            std::string_view authority);

// Too many requests, with the wait that the server asks for (0: it does not say).
Failed rate_limited(const std::string& message, std::chrono::seconds wait);

// A server's own words, printable and at most 300 bytes; a remark in their place if they quote one
// of the credentials.
std::string server_words(std::string_view words,
                         std::initializer_list<std::string_view> credentials);

// A name that is not there: the nearest of those that are, or the first few of them.
std::string suggest(std::string_view name, const std::vector<std::string>& candidates);

// The same answer for all.
std::vector<Answer> same_answer(const Failed& failed, std::size_t count);

// A credential's file, without the line breaks at its end; empty if there is none. At most 64 KiB.
// Throws base::Error (kConfiguration) for one that is not a regular file, or that another user
// owns or may write.
Secret read_credential_file(const std::string& path);

}  // namespace agentbox::resolver
