#include "resolver/backends/local.h"

#include "base/nearest.h"

namespace agentbox::resolver {

namespace {

Failed no_such_name(const std::string& name, const LocalStore& store) {
  std::vector<std::string> names;
  for (const LocalStore::Entry& entry : store.list()) {
    names.push_back(entry.name);
  }
  const std::string nearest = base::nearest(name, names);
  return {Failure::kNotFound, "the local store has no secret " + name,
          (nearest.empty() ? "" : "did you mean " + nearest + "? Or ") + std::string("store it: ") +
              "`agentbox secret set " + name + "`"};
}

}  // namespace

std::vector<Answer> LocalBackend::resolve(const std::vector<Reference>& references,
                                          std::chrono::steady_clock::time_point /*deadline*/) {
  std::vector<std::string> names;
  for (const Reference& reference : references) {
    names.push_back(reference.path.at(0));
  }
  std::vector<Answer> answers;
  try {
    for (std::optional<Value>& value : store_.get_all(names)) {
      if (value) {
        answers.emplace_back(std::move(*value));
      } else {
        answers.emplace_back(no_such_name(names[answers.size()], store_));
      }
    }
  } catch (const StoreError& error) {
    answers.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
      answers.emplace_back(Failed{error.failure(), error.what(), error.hint()});
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
