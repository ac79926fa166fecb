#include "launcher/terminal/prompt.h"

#include <algorithm>

namespace agentbox::terminal {

namespace {

constexpr std::chrono::milliseconds kDeaf{250};

std::string in_reverse(const std::string& text) { return "\033[7m" + text + "\033[27m"; }

}  // namespace

std::string announcement(const Question& question, unsigned rows, unsigned columns) {
  std::string text =
      " agentbox: " + question.title + " waits for your answer: press " + kReservedKeyName + ' ';
  if (text.size() > columns) {
    text.resize(columns);
  }
  return "\a\0337\033[" + std::to_string(rows) + ";1H\033[m" + in_reverse(text) + "\033[K\0338";
}

Prompt::Prompt(UserTerminal& terminal, Modes modes, unsigned rows, unsigned columns,
               std::optional<Question> question)
    : terminal_(terminal),
      modes_(modes),
      alternate_((modes & (kAlternate | kAlternateOld)) != 0),
      question_(std::move(question)) {
  terminal_.end_string();
  // The command's keyboard flags are put aside, its drawing state is what the cursor's saving
  // keeps.
  terminal_.show(std::string(modes_ & kSynchronized ? "\033[?2026l" : "") +
                 (alternate_ ? "\0337" : "\033[?1049h") + "\033[?6l\033[r\033[4l\033[m\033(B\017" +
                 (modes_ & kNoWrap ? "\033[?7h" : "") +
                 (modes_ & kKittyKeyboard ? "\033[>0u" : "") + "\033[2J\033[H\033[?25h" +
                 body(rows, columns) + "\033[c");
}

std::string Prompt::body(unsigned rows, unsigned columns) {
  std::string text = in_reverse(" agentbox ");
  if (!question_) {
    return text + " nothing waits for your answer\r\n\r\nq: back   " + kReservedKeyName +
           ": give the command this key\r\n";
  }
  text += " a box asks\r\n\r\n";
  std::size_t needed = 6;
  for (const std::string& line : question_->lines) {
    text += line + "\r\n";
    // Of the encoding's bytes, none takes more than a column.
    needed += 1 + line.size() / std::max(1U, columns);
  }
  shown_ = needed <= rows;
  if (!shown_) {
    return in_reverse(" agentbox ") + " this window is too small to show what is asked.\r\n\r\n" +
           "In another one: agentbox approve " + std::to_string(question_->id) +
           "\r\n\r\nn: no   q: later ";
  }
  if (question_->others > 0) {
    text += "(" + std::to_string(question_->others) + " more wait)\r\n";
  }
  return text + "\r\ny: allow   n: deny   q: later ";
}

Prompt::Reply Prompt::take(std::string_view typed) {
  const std::string keys = keys_.feed(typed);
  if (!keys_.attributes_answered() && Clock::now() - open_since_ < kDeaf) {
    return Reply::kNone;
  }
  for (const char key : keys) {
    switch (key) {
      case 'y':
      case 'Y':
        if (question_ && shown_) {
          return Reply::kYes;
        }
        break;
      case 'n':
      case 'N':
        if (question_) {
          return Reply::kNo;
        }
        break;
      case 'q':
      case '\r':
      case '\x03':
        return Reply::kLater;
      case kReservedKey:
        return Reply::kKey;
      default:
        break;
    }
  }
  return Reply::kNone;
}

void Prompt::close() {
  terminal_.note_query();
  terminal_.show(std::string(modes_ & kKittyKeyboard ? "\033[<u" : "") + "\033[m\033[2J" +
                 (modes_ & kCursorHidden ? "\033[?25l" : "") +
                 (modes_ & kNoWrap ? "\033[?7l" : "") + (modes_ & kInsert ? "\033[4h" : "") +
                 (alternate_ ? "\0338" : "\033[?1049l"));
}

}  // namespace agentbox::terminal
