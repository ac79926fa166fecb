// The member "scopes" of a policy document.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/document.h"
#include "policy/json_tree.h"

namespace agentbox::policy {

// Throws base::Error (kConfiguration).
void read_scopes(const JsonNode& node, const std::string& path, Document& document);

// The names of its keys, by path: see known_keys().
std::map<std::string, std::vector<std::string>> scope_keys();

}  // namespace agentbox::policy
