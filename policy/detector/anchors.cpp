#include "policy/detector/anchors.h"

#include <algorithm>
#include <map>

namespace agentbox::policy::detect {

namespace {

constexpr std::span<const TokenKind> (*kTokenTables[])() = {
    cloud_kinds,   model_kinds,   source_kinds, message_kinds,
    payment_kinds, service_kinds, keeper_kinds,
};

constexpr std::span<const FormTrigger> (*kTriggerTables[])() = {
    private_key_triggers, web_token_triggers, url_triggers,        manifest_triggers,
    login_triggers,       command_triggers,   assignment_triggers,
};

}  // namespace

std::vector<Anchor> make_anchors() {
  std::map<std::pair<std::string_view, bool>, Anchor> anchors;
  const auto anchor = [&](std::string_view literal, bool any_case) -> Anchor& {
    Anchor& found = anchors[{literal, any_case}];
    found.literal = literal;
    found.any_case = any_case;
    return found;
  };
  for (const auto table : kTokenTables) {
    for (const TokenKind& kind : table()) {
      for (Shape& shape : Shape::parse(kind.shapes)) {
        Anchor& at = anchor(shape.anchor(), false);
        at.shapes.push_back({std::move(shape), &kind.kind});
      }
    }
  }
  for (const auto table : kTriggerTables) {
    for (const FormTrigger& trigger : table()) {
      anchor(trigger.literal, trigger.any_case).handlers.push_back(trigger.handler);
    }
  }
  std::vector<Anchor> ordered;
  for (auto& [key, value] : anchors) {
    ordered.push_back(std::move(value));
  }
  return ordered;
}

std::vector<SecretKind> all_kinds() {
  std::vector<SecretKind> kinds;
  for (const auto table : kTokenTables) {
    for (const TokenKind& kind : table()) {
      kinds.push_back(kind.kind);
    }
  }
  for (const NamedKind& kind : named_kinds()) {
    kinds.push_back(kind.kind);
  }
  for (unsigned form = 0; form < kForms; ++form) {
    kinds.push_back(form_kind(static_cast<Form>(form)));
  }
  return kinds;
}

}  // namespace agentbox::policy::detect
