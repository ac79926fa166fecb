// Replaces secret values in a stream of bytes, across any split of reads.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::terminal {

// What to look for: all forms of all released values, compiled once and shared by streams.
// Immutable, any thread may use it.
class MaskSet {
 public:
  MaskSet();
  ~MaskSet();
  MaskSet(MaskSet&&) noexcept;
  MaskSet& operator=(MaskSet&&) noexcept;

  // `name` is shown: <concealed by agentbox:NAME>. Adds the value itself and its base64 (all three
  // alignments, both alphabets), hexadecimal, URL- and JSON-escaped forms. Values under 4 bytes are
  // not masked: they would garble the output (docs/threat-model.md says so); false then.
  bool add(const std::string& name, const resolver::Secret& value);
  void compile();
  bool empty() const;

 private:
  friend class Masker;
  struct Patterns;
  std::unique_ptr<Patterns> patterns_;
};

// One stream. Not thread-safe.
class Masker {
 public:
  // `interactive`: a held-back tail that is short, or that repeats what the user typed, is let out
  // by release_echo(); otherwise bytes that may begin a value wait for more input or finish().
  Masker(const MaskSet& set, bool interactive);
  ~Masker();

  // Masked output that can go out now is appended to `out`.
  void feed(std::string_view input, std::string& out);
  void typed(std::string_view input);    // what the user sent to the command (interactive only)
  void release_echo(std::string& out);   // call when the stream has been quiet for a moment
  bool holding() const;
  void finish(std::string& out);         // end of stream

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::terminal
