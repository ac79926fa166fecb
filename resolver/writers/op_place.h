// An item of 1Password that is to be made: what it is called, and what it holds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/document.h"
#include "resolver/writers/writer.h"

namespace agentbox::resolver {

struct OpPlace {
  std::string vault, item;

  // Throws base::Error (kConfiguration) if no reference could name it.
  void check() const;
  std::string text() const;  // for messages
  std::string reference(std::string_view name) const;
  // Two names that 1Password takes for one, as it does not look at the case of letters.
  static std::optional<Failed> clash(const std::vector<NewValue>& values);
  // The item as a JSON template of op, and as what Connect's API takes with `vault_id`. An API
  // credential with one concealed field a value.
  Secret json(const std::vector<NewValue>& values, std::string_view vault_id = {}) const;
  // Whether one of `items`, as op or Connect lists them, has its title.
  bool is_among(const Document::Node& items) const;
};

}  // namespace agentbox::resolver
