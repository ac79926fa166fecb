// Answers of a backend as texts, for tests.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "resolver/resolver.h"
#include "stand_in.h"

namespace agentbox::resolver {

// "value", "value vVERSION" or "failure: message / hint". A failure that shows "CANARY" fails the
// test: every secret of these tests holds it.
inline std::vector<std::string> answers_of(Backend& backend,
                                           const std::vector<std::string>& texts) {
  std::vector<Reference> references;
  for (const std::string& text : texts) {
    references.push_back(parse_reference(text));
  }
  std::vector<std::string> results;
  for (const Answer& answer :
       backend.resolve(references, std::chrono::steady_clock::now() + std::chrono::seconds(30))) {
    if (const auto* value = std::get_if<Value>(&answer)) {
      results.push_back(std::string(value->secret.reveal()) +
                        (value->version.empty() ? "" : " v" + value->version));
      continue;
    }
    const Failed& failed = std::get<Failed>(answer);
    results.push_back(std::string(failure_name(failed.failure)) + ": " + failed.message + " / " +
                      failed.hint);
    EXPECT_EQ(results.back().find("CANARY"), std::string::npos) << results.back();
  }
  EXPECT_EQ(results.size(), texts.size());
  return results;
}

}  // namespace agentbox::resolver
