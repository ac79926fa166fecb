#include "launcher/terminal/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace agentbox::terminal {
namespace {

constexpr std::size_t kPipeRead = 65536, kTerminalRead = 16384;  // bytes; a PTY gives 4095 at most

}  // namespace

Output::Output(base::UniqueFd source, int sink, const MaskSet& masks, bool interactive,
               bool messages)
    : source_(std::move(source)),
      sink_(sink, Stream::Direction::kWrite),
      interactive_(interactive),
      masker_(masks, interactive),
      read_(interactive ? kTerminalRead : kPipeRead) {
  base::check(fcntl(source_.get(), F_SETFL, O_NONBLOCK), "set up", "the command's output");
  if (messages) {
    messages_.emplace(masks);
  }
  if (sink_.is_terminal()) {
    filter_.emplace();
    filtered_ = resolver::Secret(EscapeFilter::room_for(read_.size()));
  }
}

Output::Pull Output::pull() {
  ssize_t count;
  do {
    count = read(source_.get(), read_.bytes().data(), read_.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) {
    return Pull::kNothing;
  }
  if (count < 0 && errno != EIO) {
    base::check(-1, "read", "the command's output");
  }
  if (count <= 0) {
    return Pull::kEnd;
  }
  if (sink_lost_) {
    return Pull::kSome;
  }
  std::string_view bytes = read_.reveal().substr(0, static_cast<std::size_t>(count));
  if (filter_) {
    const std::size_t passed = filter_->feed(bytes, filtered_.bytes());
    bytes = filtered_.reveal().substr(0, passed);
  }
  if (messages_) {
    messages_->feed(bytes, masker_, waiting_);
  } else {
    masker_.feed(bytes, waiting_);
  }
  return Pull::kSome;
}

void Output::push() {
  while (has_waiting() && !sink_lost_) {
    const ssize_t count = sink_.write(waiting_.data() + written_, waiting_.size() - written_);
    if (count < 0) {
      if (errno != EAGAIN) {
        lose_sink();
      }
      return;
    }
    written_ += static_cast<std::size_t>(count);
    if (has_waiting()) {
      return;  // a stream that cannot be made non-blocking has to be polled again
    }
  }
  waiting_.clear();
  written_ = 0;
}

void Output::finish() {
  if (messages_) {
    messages_->finish(masker_, waiting_);
  }
  masker_.finish(waiting_);
  finished_ = true;
}

void Output::lose_sink() {
  sink_lost_ = true;
  waiting_.clear();
  written_ = 0;
  if (!interactive_) {
    source_.reset();
    finished_ = true;
  }
}

}  // namespace agentbox::terminal
