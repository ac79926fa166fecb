// The member "secrets" of a policy document.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/document.h"
#include "policy/json_tree.h"

namespace agentbox::policy {

// Throws base::Error (kConfiguration).
void read_secrets(const JsonNode& node, const std::string& path, Document& document);

// The names of its keys, by path: see known_keys().
std::map<std::string, std::vector<std::string>> secret_keys();

}  // namespace agentbox::policy
