// Patterns of files.write_secrets: also of the home, which no other pattern of files names.
#pragma once

#include <string>

#include "policy/glob.h"

namespace agentbox::policy {

// As Glob; "~/x" stands for itself, anchored: so are paths of the home given to ContentRules.
// Throws as Glob does.
inline Glob content_glob(const Pattern& pattern) {
  if (pattern.text.rfind("~/", 0) != 0) {
    return Glob(pattern);
  }
  Pattern anchored = pattern;
  anchored.text = '/';
  anchored.text += pattern.text;
  return Glob(anchored);
}

}  // namespace agentbox::policy
