#include "audit/report.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "audit/render.h"
#include "audit/verify.h"
#include "base/encode.h"

namespace agentbox::audit {

namespace {

constexpr std::string_view kTop = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>agentbox audit report</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2330}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}h3{font-size:.85rem;margin:1rem 0 .2rem;color:#5a6577}
.state{padding:.8rem 1rem;border-radius:.5rem;border-left:.4rem solid}
.good{background:#e9f7ee;border-color:#2c9a56}.bad{background:#fdecea;border-color:#c9352b}
section{border:1px solid #d8dee8;border-radius:.5rem;padding:1rem;margin:1rem 0}
table{border-collapse:collapse;width:100%}td{padding:.15rem .6rem .15rem 0;vertical-align:top}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}td.n{width:4rem;color:#5a6577}
p{margin:.3rem 0}
</style></head><body>
<h1>agentbox audit report</h1>
)";

// Printable first, then safe as text and as a quoted attribute.
std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : base::printable(bytes)) {
    switch (c) {
      case '&':
        text += "&amp;";
        break;
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      case '"':
        text += "&quot;";
        break;
      case '\'':
        text += "&#39;";
        break;
      default:
        text += c;
    }
  }
  return text;
}

using Counts = std::map<std::string, int>;  // what → how often

struct Session {
  std::string id, began, ended, actor, command;
  Counts released, unresolved, reached, refused, hidden, denied;
};

void add(Session& session, const Entry& entry) {
  const std::string event = entry.text("event");
  const std::string subject = entry.text("subject");
  const std::string outcome = entry.text("outcome");
  session.ended = entry.text("time");
  if (session.command.empty()) {
    session.command = entry.text("command");
    session.actor = entry.text("actor");
  }
  if (event == "release") {
    ++session.released[subject + " -> " + entry.text("delivery")];
  } else if (event == "resolve" && outcome != "ok") {
    ++session.unresolved[entry.text("reference") + ": " + entry.text("error")];
  } else if (event == "connect") {
    ++(outcome == "allowed" ? session.reached : session.refused)[subject];
  } else if (event == "hide") {
    ++session.hidden[subject];
  } else if (event == "deny") {
    ++session.denied[subject];
  }
}

void write_counts(std::ostream& out, std::string_view title, const Counts& counts) {
  if (counts.empty()) {
    return;
  }
  out << "<h3>" << title << "</h3><table>";
  for (const auto& [what, count] : counts) {
    out << "<tr><td class=\"n\">" << count << "&times;</td><td><code>" << escaped(what)
        << "</code></td></tr>";
  }
  out << "</table>\n";
}

void write_session(std::ostream& out, const Session& session) {
  out << "<section><h2><code>" << escaped(session.command) << "</code></h2><p>session <code>"
      << escaped(session.id) << "</code>, " << escaped(session.actor) << "<br>"
      << escaped(session.began) << " to " << escaped(session.ended) << "</p>\n";
  write_counts(out, "Secrets released", session.released);
  write_counts(out, "Secrets not resolved", session.unresolved);
  write_counts(out, "Hosts reached", session.reached);
  write_counts(out, "Hosts refused", session.refused);
  write_counts(out, "Hidden files touched", session.hidden);
  write_counts(out, "Other refusals", session.denied);
  out << "</section>\n";
}

void write_state(std::ostream& out, const Verification& state) {
  if (state.ok()) {
    out << "<div class=\"state good\"><strong>The chain is whole.</strong> " << state.records
        << " records; the last hash is <code>" << escaped(state.hash) << "</code></div>\n";
  } else {
    out << "<div class=\"state bad\"><strong>The log was changed.</strong> "
        << problem_name(state.problem->kind) << ", " << escaped(state.problem->file) << " line "
        << state.problem->line << ": " << escaped(state.problem->message) << ". " << state.records
        << " records before it are whole.</div>\n";
  }
  for (const std::string& note : state.notes) {
    out << "<p>" << escaped(note) << "</p>\n";
  }
}

}  // namespace

void write_report(const std::string& directory, const Filter& filter, std::ostream& out) {
  const Verification state = verify(directory);
  std::vector<Session> sessions;
  std::map<std::string, std::size_t> index;
  Reader reader(directory, filter);
  Entry entry;
  while (reader.next(entry)) {
    const std::string id = entry.text("session");
    if (id.empty()) {
      continue;
    }
    const auto [place, fresh] = index.try_emplace(id, sessions.size());
    if (fresh) {
      sessions.emplace_back();
      sessions.back().id = id;
      sessions.back().began = entry.text("time");
    }
    add(sessions[place->second], entry);
  }
  out << kTop;
  write_state(out, state);
  // The newest first: that is what somebody who opens the page asks about.
  std::for_each(sessions.rbegin(), sessions.rend(),
                [&](const Session& session) { write_session(out, session); });
  out << "</body></html>\n";
}

}  // namespace agentbox::audit
