#include "audit/tree.h"

#include <algorithm>

#include "audit/render.h"
#include "base/encode.h"

namespace agentbox::audit {

namespace {

void print_counts(std::ostream& out, const std::map<std::string, int>& events,
                  const std::string& indent) {
  std::string line;
  for (const auto& [event, count] : events) {
    line += (line.empty() ? "" : ", ") + base::printable(event) + " " + std::to_string(count);
  }
  if (!line.empty()) {
    out << indent << line << '\n';
  }
}

}  // namespace

Tree::Box& Tree::box_of(Session& session, const std::string& id) {
  const auto [place, fresh] = session.index.try_emplace(id, session.boxes.size());
  if (fresh) {
    session.boxes.emplace_back().id = id;
  }
  return session.boxes[place->second];
}

void Tree::add_start(const Entry& entry, Session& session) {
  const std::string outcome = entry.text("outcome");
  if (outcome == "refused") {  // by the parent's record: there is no box
    std::string line = "scope " + entry.text("scope") + ": " + entry.text("command");
    const std::string reason = entry.text("reason");
    box_of(session, entry.text("parent"))
        .refusals.push_back(reason.empty() ? line : line + " (" + reason + ")");
    return;
  }
  Box& box = box_of(session, entry.text("box"));
  if (outcome == "started") {
    box.rule = entry.text("rule");
    box.reason = entry.text("reason");
  } else {
    box.end = outcome == "ended" ? entry.text("reason") : outcome;
  }
}

void Tree::add(const Entry& entry) {
  const std::string id = entry.text("session");
  if (id.empty()) {
    return;
  }
  const auto [place, fresh] = index_.try_emplace(id, sessions_.size());
  if (fresh) {
    sessions_.emplace_back().id = id;
    sessions_.back().began = short_time(entry);
  }
  Session& session = sessions_[place->second];
  if (session.command.empty()) {
    session.command = entry.text("command");
  }
  const std::string event = entry.text("event");
  const std::string outcome = entry.text("outcome");
  const std::string what = event + (outcome.empty() ? "" : " " + outcome);
  if (event == "spawn") {
    add_start(entry, session);
  }
  if (entry.text("box").empty()) {
    if (event != "spawn") {
      ++session.events[what];
    }
    return;
  }
  Box& box = box_of(session, entry.text("box"));
  const auto keep_first = [&entry](std::string& text, const char* member) {
    if (text.empty()) {
      text = entry.text(member);
    }
  };
  keep_first(box.parent, "parent");
  keep_first(box.scope, "scope");
  keep_first(box.parameters, "parameters");
  keep_first(box.command, "command");
  if (event == "release" && outcome == "ok") {
    const std::string line = entry.text("subject") + " (" + entry.text("delivery") + ")";
    if (std::find(box.secrets.begin(), box.secrets.end(), line) == box.secrets.end()) {
      box.secrets.push_back(line);
    }
  } else if ((event == "box" || event == "session") && outcome == "end") {
    box.end = entry.text("reason");
  } else if (event != "spawn" && what != "box start" && what != "session start") {
    ++box.events[what];
  }
}

void Tree::print_box(std::ostream& out, const Session& session, const Box& box,
                     const std::string& indent) {
  out << indent << "box " << short_id(box.id) << "  scope " << base::printable(box.scope);
  for (const std::string& text : {box.parameters, box.command, box.end}) {
    out << (text.empty() ? "" : "  ") << base::printable(text);
  }
  out << '\n';
  const std::string inner = indent + "  ";
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) {
      out << inner << label << base::printable(text) << '\n';
    }
  };
  line("started by ", box.rule);
  line("reason: ", box.reason);
  for (const std::string& secret : box.secrets) {
    line("secret ", secret);
  }
  for (const std::string& refusal : box.refusals) {
    line("refused ", refusal);
  }
  print_counts(out, box.events, inner);
  // Each box has one parent, so that no cycle, which a log written by hand may have, is met here.
  for (const Box& other : session.boxes) {
    if (other.parent == box.id && other.id != box.id) {
      print_box(out, session, other, indent + "    ");
    }
  }
}

void Tree::print(std::ostream& out) const {
  for (const Session& session : sessions_) {
    out << "session " << base::printable(session.id) << "  " << session.began << "  "
        << base::printable(session.command) << '\n';
    print_counts(out, session.events, "  ");
    for (const Box& box : session.boxes) {
      if (!session.index.contains(box.parent) || box.parent == box.id) {
        print_box(out, session, box, "  ");
      }
    }
  }
}

}  // namespace agentbox::audit
