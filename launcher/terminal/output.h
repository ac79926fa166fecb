// One direction: from the command's output to the user.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "launcher/terminal/escapes.h"
#include "launcher/terminal/json_strings.h"
#include "launcher/terminal/masker.h"
#include "launcher/terminal/stream.h"
#include "resolver/secret.h"

namespace agentbox::terminal {

// Reads, filters (towards a terminal), masks and writes. Reads nothing while something waits to be
// written, so that its memory is bounded and a slow user slows the command. Not thread-safe.
class Output {
 public:
  // Takes over `source` and sets it non-blocking. `interactive` is the masker's; `messages`: the
  // lines are JSON, and values are looked for in its strings, too.
  Output(base::UniqueFd source, int sink, const MaskSet& masks, bool interactive,
         bool messages = false);

  enum class Pull {
    kSome,     // something was read
    kNothing,  // nothing there at the moment
    kEnd,      // end of file, or a PTY that no process has open at the moment
  };
  Pull pull();
  void push();       // writes what waits, as far as it goes
  void finish();     // the end of the stream: shows what was held back
  void lose_sink();  // the user is gone: the command's pipe is closed, a PTY's output dropped
  void release_echo() { masker_.release_echo(waiting_); }

  bool open() const { return static_cast<bool>(source_) && !finished_; }
  bool finished() const { return finished_; }
  bool has_waiting() const { return written_ < waiting_.size(); }
  bool holding() const { return masker_.holding(); }
  bool sink_lost() const { return sink_lost_; }
  int source() const { return source_.get(); }
  const Stream& sink() const { return sink_; }
  Masker& masker() { return masker_; }
  const EscapeFilter* filter() const { return filter_ ? &*filter_ : nullptr; }

 private:
  base::UniqueFd source_;
  Stream sink_;
  bool interactive_;
  Masker masker_;
  std::optional<JsonStrings> messages_;
  std::optional<EscapeFilter> filter_;
  resolver::Secret read_, filtered_;  // values pass through them
  std::string waiting_;               // masked
  std::size_t written_ = 0;
  bool finished_ = false, sink_lost_ = false;
};

}  // namespace agentbox::terminal
