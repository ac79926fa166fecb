// Replaces secret values in a stream of bytes, across any split of reads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::terminal {

// What to look for: all forms of all released values, compiled and shared by streams. Filled by one
// thread; after compile() any thread may use it. Its memory is locked: about 60 bytes for each byte
// of a typical value. docs/terminal.md lists the forms.
class MaskSet {
 public:
  MaskSet();
  ~MaskSet();
  MaskSet(MaskSet&&) noexcept;
  MaskSet& operator=(MaskSet&&) noexcept;

  // `name` is shown: <concealed by agentbox:NAME>. Adds the value itself and its base64 (all three
  // alignments, both alphabets), hexadecimal, URL-, JSON- and shell-escaped forms. Values under 4
  // bytes are not masked: they would garble the output (docs/terminal.md says so); false then.
  // Throws base::Error if memory cannot be locked.
  bool add(const std::string& name, const resolver::Secret& value);
  // Must follow the last add(). Free if there was none. Throws base::Error like add().
  void compile();
  bool empty() const;

  // `next`, compiled, takes this one's place in every Masker, from the next byte that it is fed on:
  // to be called before the command can know a further value. It must hold the same values first,
  // in the same order. Throws base::Error if it does not. Thread-safe after compile().
  void replace(MaskSet next);

 private:
  friend class Masker;
  struct Patterns;
  struct Current;
  std::unique_ptr<Current> current_;
};

// One stream; keeps a reference to the set. Not thread-safe. Exactly those last bytes wait that may
// begin a value; where finds of several values overlap, one mark covers them all, with the name of
// the longest.
class Masker {
 public:
  // `interactive`: a held-back tail that repeats what the user typed is let out by feed() at once,
  // one of up to 3 bytes by release_echo(); what follows is still known as the rest of the value.
  // Otherwise bytes that may begin a value wait for more input or finish().
  Masker(const MaskSet& set, bool interactive);
  ~Masker();

  // Masked output that can go out now is appended to `out`.
  void feed(std::string_view input, std::string& out);
  void typed(std::string_view input);   // what the user sent to the command (interactive only)
  void release_echo(std::string& out);  // call when the stream has been quiet for a moment
  bool holding() const;
  void finish(std::string& out);  // end of stream

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::terminal
