// Which part of a project is asked for.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::scan {

// Paths are relative to the project's root, without "." and "..". Immutable.
class Selection {
 public:
  // None: all of the project.
  explicit Selection(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  bool holds(std::string_view path) const {
    return paths_.empty() || std::any_of(paths_.begin(), paths_.end(),
                                         [&](const std::string& one) { return below(path, one); });
  }
  // Whether something in this directory is held.
  bool reaches(std::string_view directory) const {
    return holds(directory) ||
           std::any_of(paths_.begin(), paths_.end(),
                       [&](const std::string& one) { return below(one, directory); });
  }

 private:
  static bool below(std::string_view path, std::string_view directory) {
    return directory.empty() || (path.starts_with(directory) && (path.size() == directory.size() ||
                                                                 path[directory.size()] == '/'));
  }

  const std::vector<std::string> paths_;
};

}  // namespace agentbox::scan
