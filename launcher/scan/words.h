// The words that all forms of a report share.
#pragma once

#include "launcher/scan/report.h"

namespace agentbox::scan {

// In JSON and SARIF; docs/scan.schema.json lists them.
inline const char* word(GitState state) {
  switch (state) {
    case GitState::kNone:
      return "none";
    case GitState::kUnknown:
      return "unknown";
    case GitState::kIgnored:
      return "ignored";
    case GitState::kUntracked:
      return "untracked";
    case GitState::kTracked:
      return "tracked";
  }
  return "";
}

inline const char* word(Hidden::Why why) {
  switch (why) {
    case Hidden::Why::kName:
      return "name";
    case Hidden::Why::kCredential:
      return "credential";
    case Hidden::Why::kHardLink:
      return "hard-link";
  }
  return "";
}

}  // namespace agentbox::scan
