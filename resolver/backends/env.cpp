#include "resolver/backends/env.h"

#include <string_view>

namespace agentbox::resolver {

std::vector<Answer> EnvBackend::resolve(const std::vector<Reference>& references,
                                        std::chrono::steady_clock::time_point /*deadline*/) {
  std::vector<Answer> answers;
  for (const Reference& reference : references) {
    const std::string prefix = reference.path.at(0) + "=";
    Answer answer =
        Failed{Failure::kNotFound, "the environment has no variable " + reference.path.at(0),
               "export it before you start agentbox"};
    for (const char* const* variable = environment_; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      if (text.starts_with(prefix)) {
        answer = Value{Secret(text.substr(prefix.size())), ""};
        break;
      }
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace agentbox::resolver
