#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/scan/formats.h"
#include "launcher/scan/words.h"
#include "policy/content_rules.h"

namespace agentbox::scan {

namespace {

using Json = nlohmann::ordered_json;

Json named(const std::string& path) {
  Json object;
  if (base::is_utf8(path)) {
    object["path"] = path;
  } else {
    object["path"] = base::printable(path);
    object["path_hex"] = base::hex(path);
  }
  return object;
}

void add_rule(Json& object, const Rule& rule) {
  object["rule"] = rule.text;
  object["place"] = rule.place;
}

Json hidden_files(const Report& report) {
  Json list = Json::array();
  for (const Hidden& hidden : report.hidden) {
    Json object = named(hidden.path);
    object["type"] = hidden.directory ? "directory" : "file";
    object["why"] = word(hidden.why);
    add_rule(object, hidden.rule);
    if (hidden.why == Hidden::Why::kHardLink) {
      object["link_of"] = base::printable(hidden.link_of);
    }
    object["below_hidden"] = hidden.below_hidden;
    object["holds_secret"] = hidden.holds_secret;
    object["git"] = word(hidden.git);
    list.push_back(std::move(object));
  }
  return list;
}

Json findings(const Report& report) {
  Json list = Json::array();
  for (const Finding& finding : report.findings) {
    Json object = named(finding.path);
    object["line"] = finding.line;
    object["column"] = finding.column;
    object["end_line"] = finding.end_line;
    object["end_column"] = finding.end_column;
    object["kind"] = finding.kind;
    object["title"] = finding.title;
    if (!finding.copy_of.empty()) {
      object["copy_of"] = base::printable(finding.copy_of);
    }
    object["action"] = policy::detect_name(finding.action);
    add_rule(object, finding.rule);
    object["git"] = word(finding.git);
    list.push_back(std::move(object));
  }
  return list;
}

Json files_in_git(const Report& report) {
  Json list = Json::array();
  for (const InGit& file : report.in_git) {
    Json object = named(file.path);
    object["git"] = word(file.state);
    object["ignore_file"] = base::printable(file.ignore_file);
    object["ignore_line"] = base::printable(file.ignore_line);
    list.push_back(std::move(object));
  }
  return list;
}

Json failures(const Report& report) {
  Json list = Json::array();
  for (const GitFailure& failure : report.git_failures) {
    Json object = named(failure.path);
    object["why"] = failure.why;
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace

std::string to_json(const Report& report) {
  Json object;
  object["version"] = 1;
  object["project"] = base::printable(report.root);
  object["paths"] = Json::array();
  for (const std::string& path : report.paths) {
    object["paths"].push_back(base::printable(path));
  }
  object["policy_trusted"] = report.trusted;
  object["status"] = status_of(report);
  object["hidden"] = hidden_files(report);
  object["redacted"] = Json::array();
  for (const Redacted& redacted : report.redacted) {
    Json entry = named(redacted.path);
    add_rule(entry, redacted.rule);
    object["redacted"].push_back(std::move(entry));
  }
  object["findings"] = findings(report);
  object["in_git"] = files_in_git(report);
  object["unreadable"] = Json::array();
  for (const Unreadable& unreadable : report.unreadable) {
    Json entry = named(unreadable.path);
    entry["error"] = base::errno_name(unreadable.error);
    object["unreadable"].push_back(std::move(entry));
  }
  object["git_failures"] = failures(report);
  object["names"] = report.names;
  object["searched"] = report.searched;
  object["bytes"] = report.bytes;
  object["left_out"] = report.left_out;
  object["unlisted_findings"] = report.unlisted_findings;
  object["milliseconds"] = report.duration.count();
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace agentbox::scan
