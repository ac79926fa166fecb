// The text formats of SOPS files, read as SOPS reads them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace agentbox::resolver {

// Each gives an object in the file's order, comments left out. The metadata of the last two stays
// flat: "sops_…" among the others, and a section "sops". Throw base::Error (kConfiguration).
nlohmann::ordered_json read_sops_yaml(const std::string& text);
nlohmann::ordered_json read_sops_json(const std::string& text);
nlohmann::ordered_json read_sops_dotenv(const std::string& text);
nlohmann::ordered_json read_sops_ini(const std::string& text);

}  // namespace agentbox::resolver
