#include "resolver/environment.h"

namespace agentbox::resolver {

std::string_view Environment::get(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    for (const char* const* variable = variables_; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      if (text.size() > name.size() + 1 && text.starts_with(name) && text[name.size()] == '=') {
        return text.substr(name.size() + 1);
      }
    }
  }
  return {};
}

}  // namespace agentbox::resolver
