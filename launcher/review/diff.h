// One file's difference, for people.
#pragma once

#include <functional>
#include <string>

#include "launcher/review/changes.h"
#include "launcher/review/layer.h"

namespace agentbox::review {

// Tells the lines of a unified diff between the user's file and the layer's, made by diff(1), which
// is given two open files and no configuration. Names and contents come from a box: control
// characters are escaped, tabs stay. Directories give nothing. `name` stands in the heading. Throws
// base::Error; kFailed if there is no diff(1).
void diff(const Layer& layer, const Change& change, const std::string& name,
          const std::function<void(const std::string& line)>& line);

}  // namespace agentbox::review
