#include "audit/render.h"

#include <string_view>

#include "base/encode.h"

namespace agentbox::audit {

namespace {

// Ids differ in their random end; the beginning is the time.
std::string short_id(const std::string& id) {
  constexpr std::size_t kLength = 6;
  return base::printable(id.size() > kLength ? id.substr(id.size() - kLength) : id);
}

// At least `width` columns and a space. Continuation bytes of UTF-8 take no column.
std::string cell(const std::string& text, std::size_t width) {
  std::size_t columns = 0;
  for (const char c : text) {
    columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  }
  return text + std::string(columns < width ? width - columns + 1 : 1, ' ');
}

// "2026-01-31 08:09:10"
std::string short_time(const Entry& entry) {
  std::string time = base::printable(entry.text("time")).substr(0, 19);
  if (time.size() > 10 && time[10] == 'T') {
    time[10] = ' ';
  }
  return time;
}

constexpr std::size_t kEventWidth = 8;
constexpr std::size_t kOutcomeWidth = 9;
constexpr std::size_t kScopeWidth = 8;

}  // namespace

bool is_refusal(const Entry& entry) {
  const std::string outcome = entry.text("outcome");
  return outcome == "refused" || outcome == "failed" || outcome == "denied" ||
         outcome == "read-only" || outcome == "hidden" || outcome == "redacted" ||
         entry.text("event") == "deny";
}

std::string summary(const Entry& entry) {
  std::string text;
  const auto add = [&](const char* before, const char* key, const char* after) {
    const std::string value = base::printable(entry.text(key));
    if (!value.empty()) {
      text += (text.empty() ? "" : " ") + std::string(before) + value + after;
    }
  };
  add("", "subject", "");
  add("", "reference", "");
  add("-> ", "delivery", "");
  if (entry.text("event") == "session") {
    add("", "command", "");
  }
  add("(", "reason", ")");
  add("error: ", "error", "");
  add("[", "rule", "]");
  return text;
}

void Table::add(const Entry& entry) {
  if (!started_) {
    started_ = true;
    out_ << cell("TIME (UTC)", 19) << cell("SESSION", 7) << cell("SCOPE", kScopeWidth)
         << cell("EVENT", kEventWidth) << cell("OUTCOME", kOutcomeWidth) << "ABOUT\n";
  }
  const bool red = colour_ && is_refusal(entry);
  out_ << cell(short_time(entry), 19) << cell(short_id(entry.text("session")), 7)
       << cell(base::printable(entry.text("scope")), kScopeWidth)
       << cell(base::printable(entry.text("event")), kEventWidth) << (red ? "\x1b[31m" : "")
       << cell(base::printable(entry.text("outcome")), kOutcomeWidth) << (red ? "\x1b[0m" : "")
       << summary(entry) << '\n';
}

void Tree::add(const Entry& entry) {
  const std::string id = entry.text("session");
  if (id.empty()) {
    return;
  }
  const auto [place, fresh] = index_.try_emplace(id, sessions_.size());
  if (fresh) {
    sessions_.push_back({.id = id, .began = short_time(entry), .command = {}, .boxes = {}});
  }
  Session& session = sessions_[place->second];
  if (session.command.empty()) {
    session.command = entry.text("command");
  }
  Box& box = session.boxes[entry.text("box")];
  if (box.parent.empty()) {
    box.parent = entry.text("parent");
  }
  if (box.scope.empty()) {
    box.scope = entry.text("scope");
  }
  const std::string outcome = entry.text("outcome");
  ++box.events[entry.text("event") + (outcome.empty() ? "" : " " + outcome)];
}

void Tree::print_box(std::ostream& out, const Session& session, const std::string& id,
                     const std::string& indent, std::size_t depth) {
  const Box& box = session.boxes.at(id);
  out << indent << "box " << short_id(id) << "  scope " << base::printable(box.scope) << '\n';
  for (const auto& [event, count] : box.events) {
    out << indent << "  " << base::printable(event) << ": " << count << '\n';
  }
  // A log that was written by hand may have a cycle of parents.
  if (depth >= session.boxes.size()) {
    return;
  }
  for (const auto& [child, other] : session.boxes) {
    if (other.parent == id && child != id) {
      print_box(out, session, child, indent + "    ", depth + 1);
    }
  }
}

void Tree::print(std::ostream& out) const {
  for (const Session& session : sessions_) {
    out << "session " << base::printable(session.id) << "  " << session.began << "  "
        << base::printable(session.command) << '\n';
    for (const auto& [id, box] : session.boxes) {
      if (box.parent.empty() || !session.boxes.contains(box.parent)) {
        print_box(out, session, id, "  ", 0);
      }
    }
  }
}

}  // namespace agentbox::audit
