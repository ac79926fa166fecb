#include "audit/render.h"

#include <string_view>

#include "base/encode.h"

namespace agentbox::audit {

namespace {

// At least `width` columns and a space. Continuation bytes of UTF-8 take no column.
std::string cell(const std::string& text, std::size_t width) {
  std::size_t columns = 0;
  for (const char c : text) {
    columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  }
  return text + std::string(columns < width ? width - columns + 1 : 1, ' ');
}

constexpr std::size_t kEventWidth = 8;
constexpr std::size_t kOutcomeWidth = 9;
constexpr std::size_t kScopeWidth = 8;

}  // namespace

std::string short_time(const Entry& entry) {
  std::string time = base::printable(entry.text("time")).substr(0, 19);
  if (time.size() > 10 && time[10] == 'T') {
    time[10] = ' ';
  }
  return time;
}

std::string short_id(const std::string& id) {
  constexpr std::size_t kLength = 6;
  return base::printable(id.size() > kLength ? id.substr(id.size() - kLength) : id);
}

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

}  // namespace agentbox::audit
