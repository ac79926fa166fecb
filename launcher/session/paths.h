// Path texts: lexical only, no look at the file system. Pure.
#pragma once

#include <string>
#include <string_view>

namespace agentbox::session {

inline std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (path.empty() || path.back() != '/') {
    path += '/';
  }
  path += name;
  return path;
}

// "/a" for "/a/b", "/" for "/a" and for "/".
inline std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// Whether `path` is `directory` or lies below it. Both absolute, without "." and "..".
inline bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") {
    return true;
  }
  return path.substr(0, directory.size()) == directory &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// What follows `directory` in a path below it, without a leading slash; "" for itself.
inline std::string relative_to(std::string_view path, std::string_view directory) {
  std::string_view rest = path.substr(directory == "/" ? 0 : directory.size());
  while (!rest.empty() && rest.front() == '/') {
    rest.remove_prefix(1);
  }
  return std::string(rest);
}

}  // namespace agentbox::session
