// Records for people. What a box chose goes through base::printable, so that it cannot drive the
// terminal or forge a line.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "audit/reader.h"

namespace agentbox::audit {

// A table that is written row by row, so that it can follow a log. Not thread-safe.
class Table {
 public:
  // `colour`: ANSI colours for refusals and failures; the caller knows whether it is a terminal.
  Table(std::ostream& out, bool colour) : out_(out), colour_(colour) {}

  // The first row brings the header. Flushes nothing.
  void add(const Entry& entry);

 private:
  std::ostream& out_;
  bool colour_;
  bool started_ = false;
};

// What a record is about, in one line: subject or reference, then why and how. Printable.
std::string summary(const Entry& entry);

// Whether a record tells of something refused, hidden or failed.
bool is_refusal(const Entry& entry);

// Sessions, their boxes, and the boxes that those started, each with how often what happened.
class Tree {
 public:
  void add(const Entry& entry);
  void print(std::ostream& out) const;

 private:
  struct Box {
    std::string parent, scope;
    std::map<std::string, int> events;  // "connect allowed" → 3
  };
  struct Session {
    std::string id, began, command;
    std::map<std::string, Box> boxes;
  };

  static void print_box(std::ostream& out, const Session& session, const std::string& id,
                        const std::string& indent, std::size_t depth);

  std::vector<Session> sessions_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace agentbox::audit
