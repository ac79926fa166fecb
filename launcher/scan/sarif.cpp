#include <map>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/scan/formats.h"
#include "launcher/scan/words.h"
#include "policy/content_rules.h"

namespace agentbox::scan {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSecretFile = "secret-file";

// Relative references as of RFC 3986, bytes beyond the unreserved ones percent-encoded.
std::string uri(std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      text += c;
    } else {
      text += '%';
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

Json location(const std::string& path) {
  Json object;
  object["physicalLocation"]["artifactLocation"] = {{"uri", uri(path)}, {"uriBaseId", "%SRCROOT%"}};
  return object;
}

// The rules that results name, in the order of their first use.
class Rules {
 public:
  std::size_t index(const std::string& id, const std::string& title) {
    const auto [found, added] = numbers_.try_emplace(id, list_.size());
    if (added) {
      Json rule;
      rule["id"] = id;
      rule["shortDescription"]["text"] = title;
      list_.push_back(std::move(rule));
    }
    return found->second;
  }
  const Json& list() const { return list_; }

 private:
  std::map<std::string, std::size_t> numbers_;
  Json list_ = Json::array();
};

Json result(Rules& rules, const std::string& kind, const std::string& title,
            const std::string& message, const std::string& path) {
  Json object;
  object["ruleId"] = kind;
  object["ruleIndex"] = rules.index(kind, title);
  object["message"]["text"] = message;
  object["locations"] = Json::array({location(path)});
  return object;
}

Json hidden_file(Rules& rules, const Hidden& hidden) {
  const bool fault = hidden.holds_secret && in_git(hidden.git);
  std::string message = "A box does not see this file";
  message += hidden.rule.text.empty()
                 ? "."
                 : " (" + base::printable(hidden.rule.text) + ", " + hidden.rule.place + ").";
  if (fault) {
    message += hidden.git == GitState::kTracked ? " Git tracks it." : " No rule of git ignores it.";
  }
  Json object =
      result(rules, kSecretFile, "A file that holds secrets by its name", message, hidden.path);
  if (fault) {
    object["level"] = "error";
  } else {
    object["kind"] = "informational";
    object["level"] = "none";
  }
  object["properties"] = {{"git", word(hidden.git)}, {"action", "hide"}};
  return object;
}

const char* done(policy::Detect action) {
  switch (action) {
    case policy::Detect::kDeny:
      return "A box may not read this file.";
    case policy::Detect::kRedact:
      return "A box reads it redacted.";
    case policy::Detect::kReport:
    case policy::Detect::kOff:
      break;
  }
  return "A box reads it.";
}

Json finding_result(Rules& rules, const Finding& finding) {
  const std::string copy =
      finding.copy_of.empty() ? "" : " It also stands in " + base::printable(finding.copy_of) + ".";
  Json object = result(rules, finding.kind, finding.title,
                       finding.title + "." + copy + " " + done(finding.action), finding.path);
  // Redacted or not, nobody but a box is kept from it; in git it goes further than this machine.
  object["level"] =
      in_git(finding.git) || finding.action == policy::Detect::kReport ? "error" : "warning";
  object["locations"][0]["physicalLocation"]["region"] = {{"startLine", finding.line},
                                                          {"startColumn", finding.column},
                                                          {"endLine", finding.end_line},
                                                          {"endColumn", finding.end_column}};
  object["properties"] = {{"git", word(finding.git)}, {"action", policy::detect_name(finding.action)}};
  return object;
}

Json notification(const std::string& path, const std::string& text) {
  Json object;
  object["level"] = "error";
  object["message"]["text"] = text;
  object["locations"] = Json::array({location(path)});
  return object;
}

Json invocation(const Report& report) {
  Json notifications = Json::array();
  for (const Unreadable& unreadable : report.unreadable) {
    notifications.push_back(
        notification(unreadable.path, "could not be read: " + base::errno_name(unreadable.error)));
  }
  for (const GitFailure& failure : report.git_failures) {
    notifications.push_back(
        notification(failure.path.empty() ? "." : failure.path, "git: " + failure.why));
  }
  Json object;
  object["executionSuccessful"] = notifications.empty();
  object["exitCode"] = status_of(report);
  object["toolExecutionNotifications"] = std::move(notifications);
  return object;
}

}  // namespace

std::string to_sarif(const Report& report, std::string_view version) {
  Rules rules;
  Json results = Json::array();
  for (const Hidden& hidden : report.hidden) {
    if (!hidden.directory) {
      results.push_back(hidden_file(rules, hidden));
    }
  }
  for (const Finding& finding : report.findings) {
    results.push_back(finding_result(rules, finding));
  }
  Json run;
  run["tool"]["driver"] = {{"name", "agentbox"}, {"version", version}, {"rules", rules.list()}};
  run["invocations"] = Json::array({invocation(report)});
  run["columnKind"] = "unicodeCodePoints";
  run["results"] = std::move(results);
  Json log;
  log["$schema"] =
      "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
  log["version"] = "2.1.0";
  log["runs"] = Json::array({std::move(run)});
  return log.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace agentbox::scan
