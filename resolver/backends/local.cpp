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
  std::vector<Answer> answers;
  bool locked = false;  // the key was asked for and not had: once is enough
  Failed why;
  for (const Reference& reference : references) {
    if (locked) {
      answers.emplace_back(why);
      continue;
    }
    try {
      std::optional<Value> value = store_.get(reference.path.at(0));
      if (value) {
        answers.emplace_back(std::move(*value));
      } else {
        answers.emplace_back(no_such_name(reference.path.at(0), store_));
      }
    } catch (const StoreError& error) {
      why = {error.failure(), error.what(), error.hint()};
      locked = error.failure() == Failure::kAuthRequired || error.failure() == Failure::kAuthFailed;
      answers.emplace_back(why);
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
