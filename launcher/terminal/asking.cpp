#include "launcher/terminal/asking.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace agentbox::terminal {

namespace {

// Long enough for a program to see both sizes, so that it draws anew.
constexpr std::chrono::milliseconds kOtherSize{80};

winsize size_of(int terminal) {
  winsize size = {};
  if (::ioctl(terminal, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
    size.ws_row = 24;
    size.ws_col = 80;
  }
  return size;
}

}  // namespace

void Asking::take_change() {
  std::uint64_t count = 0;
  // Empty if somebody else has read it: first() tells how it stands.
  [[maybe_unused]] const ssize_t n = ::read(questions_->changed(), &count, sizeof count);
  const std::optional<Question> first = questions_->first();
  if (prompt_ && prompt_->question() && (!first || first->id != prompt_->question()->id)) {
    leave();  // answered elsewhere, or given up
    wanted_ = first.has_value();
  }
  if (first && first->id > announced_) {
    announce_ = first;
  }
}

void Asking::go_on(const Output& output) {
  if (grow_at_ && *grow_at_ <= Clock::now()) {
    grow_at_.reset();
    const winsize size = size_of(window_);
    ::ioctl(master_, TIOCSWINSZ, &size);
  }
  if (output.has_waiting() || output.sink_lost() || terminal_.suspended()) {
    return;
  }
  if (wanted_) {
    wanted_ = false;
    open(output.filter() ? output.filter()->modes() : 0);
  } else if (announce_ && !prompt_ && !(output.filter() && output.filter()->inside_string())) {
    const winsize size = size_of(window_);
    announced_ = announce_->id;
    terminal_.show(announcement(*announce_, size.ws_row, size.ws_col));
    announce_.reset();
  }
}

std::size_t Asking::take(std::string_view typed, bool& to_command) {
  to_command = false;
  if (!prompt_) {
    const auto key = questions_ == nullptr ? std::nullopt : find_reserved_key(typed);
    wanted_ |= key.has_value();
    return key ? key->begin : wanted_ && questions_ != nullptr ? 0 : typed.size();
  }
  const Prompt::Reply reply = prompt_->take(typed);
  if (reply == Prompt::Reply::kNone) {
    return 0;
  }
  const std::optional<Question> question = prompt_->question();
  leave();
  if (reply == Prompt::Reply::kKey) {
    to_command = true;
  } else if (question && reply != Prompt::Reply::kLater) {
    questions_->answer(question->id, reply == Prompt::Reply::kYes);
    const std::optional<Question> next = questions_->first();
    wanted_ = next.has_value() && next->id != question->id;
  }
  return 0;
}

void Asking::redraw() {
  if (prompt_) {
    prompt_->close();
    prompt_.reset();
    open(modes_);
  }
}

void Asking::close() {
  wanted_ = false;
  if (prompt_) {
    leave();
  }
}

void Asking::open(Modes modes) {
  const winsize size = size_of(window_);
  modes_ = modes;
  const std::optional<Question> first = questions_->first();
  if (first) {
    announced_ = first->id;
    announce_.reset();
  }
  terminal_.note_modes(modes | kAlternate);  // for whoever puts it right if this process is killed
  prompt_.emplace(terminal_, modes, size.ws_row, size.ws_col, first);
}

void Asking::leave() {
  prompt_->close();
  terminal_.note_modes(modes_);
  if (prompt_->needs_redraw()) {
    winsize size = size_of(window_);
    size.ws_row = static_cast<unsigned short>(size.ws_row > 1 ? size.ws_row - 1 : 2);
    ::ioctl(master_, TIOCSWINSZ, &size);
    grow_at_ = Clock::now() + kOtherSize;
  }
  prompt_.reset();
}

}  // namespace agentbox::terminal
