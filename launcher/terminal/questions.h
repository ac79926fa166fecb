// What the user is to answer in the terminal while a command uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace agentbox::terminal {

struct Question {
  std::uint64_t id = 0;
  std::string title;               // in a few words
  std::vector<std::string> lines;  // printable
  std::size_t others = 0;          // that wait behind it
};

// Called in the relay's thread.
class Questions {
 public:
  virtual ~Questions() = default;
  virtual int changed() const = 0;  // an eventfd(2), readable after each change; the relay reads it
  virtual std::optional<Question> first() = 0;
  virtual void answer(std::uint64_t id, bool yes) = 0;
};

}  // namespace agentbox::terminal
