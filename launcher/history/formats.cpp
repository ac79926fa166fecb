#include "launcher/history/formats.h"

#include <nlohmann/json.hpp>

#include "base/encode.h"

namespace agentbox::history {

namespace {

constexpr std::size_t kShortId = 12;  // digits: enough for git to know it by

std::string place_of(const Secret& secret) {
  if (secret.type != "blob") {
    return "message of " + secret.type + " " + secret.object.substr(0, kShortId);
  }
  const std::string path =
      secret.path.empty() ? "blob without a name" : base::printable(secret.path);
  return secret.line == 0 ? path : path + ":" + std::to_string(secret.line);
}

std::string reason_of(const Secret& secret) {
  if (secret.kind == kHiddenFile) {
    return secret.title.empty() ? "hidden by name"
                                : "hidden by the rule " + base::printable(secret.title);
  }
  const std::string title = secret.title.empty() ? secret.kind : secret.title;
  return secret.count > 1 ? title + ", " + std::to_string(secret.count) + " of them" : title;
}

std::string origin_of(const Secret& secret) {
  if (secret.type != "blob") {
    return {};
  }
  const std::string blob = "blob " + secret.object.substr(0, kShortId);
  return secret.commit.empty() ? blob : "commit " + secret.commit.substr(0, kShortId) + ", " + blob;
}

std::string relative(const std::string& path, const std::string& root) {
  const bool below = path.size() > root.size() && path.compare(0, root.size(), root) == 0 &&
                     path[root.size()] == '/';
  return base::printable(below ? path.substr(root.size() + 1) : path);
}

}  // namespace

std::string to_text(const Report& report, const std::string& root, bool coloured) {
  const char* const bold = coloured ? "\x1b[1m" : "";
  const char* const red = coloured ? "\x1b[1;31m" : "";
  const char* const plain = coloured ? "\x1b[0m" : "";
  std::string text;
  for (const Repository& repository : report.repositories) {
    if (repository.secrets.empty()) {
      continue;
    }
    text += bold + relative(repository.directory, root) + plain + "\n";
    for (const Secret& secret : repository.secrets) {
      text += std::string("  ") + red + place_of(secret) + plain + "  " + reason_of(secret);
      if (const std::string origin = origin_of(secret); !origin.empty()) {
        text += "  (" + origin + ")";
      }
      text += "\n";
    }
  }
  const std::size_t secrets = report.secrets();
  if (secrets == 0) {
    return "No secret in git history.\n";
  }
  return text + std::to_string(secrets) + (secrets == 1 ? " secret" : " secrets") +
         " in git history.\n"
         "  next: make each of them invalid and a new one: what was pushed once is known to "
         "others\n"
         "        git show OBJECT shows one to you\n"
         "        git filter-repo --path FILE --invert-paths takes a file out of all branches\n"
         "        git reflog expire --expire=now --all && git gc --prune=now, of what nothing "
         "reaches\n";
}

std::string to_json(const Report& report) {
  nlohmann::json repositories = nlohmann::json::array();
  for (const Repository& repository : report.repositories) {
    nlohmann::json secrets = nlohmann::json::array();
    for (const Secret& secret : repository.secrets) {
      secrets.push_back({{"object", secret.object},
                         {"type", secret.type},
                         {"kind", secret.kind},
                         {"title", secret.title},
                         {"path", secret.path},
                         {"commit", secret.commit},
                         {"line", secret.line},
                         {"count", secret.count}});
    }
    repositories.push_back({{"directory", repository.directory},
                            {"working_tree", repository.prefix},
                            {"secrets", secrets}});
  }
  const nlohmann::json document = {{"version", 1},
                                   {"secrets", report.secrets()},
                                   {"searched", report.searched},
                                   {"repositories", repositories}};
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace agentbox::history
