// The arguments that a model gave to a tool. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/mcp/message.h"

namespace agentbox::mcp {

// Every reader throws base::Error (kFailed) with words for the model: what is wrong, and what would
// be right. Keeps a reference.
class Arguments {
 public:
  static constexpr std::size_t kLongestText = 4096;  // bytes
  static constexpr std::size_t kMostItems = 1024;

  // `known`: every argument that the tool has.
  Arguments(const Json& given, const std::vector<std::string>& known);

  std::string text(const char* name) const;
  std::optional<std::string> optional_text(const char* name) const;
  // At least one text.
  std::vector<std::string> texts(const char* name) const;
  // An object of texts; empty if it is left out.
  std::map<std::string, std::string> text_members(const char* name) const;

 private:
  const Json& given_;
};

}  // namespace agentbox::mcp
