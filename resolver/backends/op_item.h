// A 1Password item as Connect's API gives it, and what a reference means in it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "resolver/document.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// A file attachment, whose content is another request away.
struct OpFile {
  std::string id;
};

using OpItemPart = std::variant<Secret, OpFile, Failed>;

// The field or file that the reference's last one or two parts name, by label (name) or ID and
// without regard to case. Without a section, fields outside sections go first; more than one that
// fits is kAmbiguous. ?attribute= picks what 1Password's own references know. Pure.
OpItemPart find_in_item(const Reference& reference, const Document::Node& item);

// As 1Password compares names: without regard to the case of ASCII letters.
bool same_name(std::string_view a, std::string_view b);

}  // namespace agentbox::resolver
