// Who started whom, with what and why: a log as sessions, their boxes, and the boxes of those.
#pragma once

#include <cstddef>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "audit/reader.h"

namespace agentbox::audit {

// What a box chose is printed as base::printable gives it. Not thread-safe.
class Tree {
 public:
  void add(const Entry& entry);

  // Of each session the boxes in the order of their starts, each with its scope, parameters and
  // command, the policy's line and the reason for its start, the secrets that were released to it,
  // what it was refused, how often all else happened, and its end.
  void print(std::ostream& out) const;

 private:
  struct Box {
    std::string id, parent, scope, parameters, command;
    std::string rule, reason, end;
    std::vector<std::string> secrets;   // "database (env:DATABASE_URL)", each once
    std::vector<std::string> refusals;  // boxes that it asked for and did not get
    std::map<std::string, int> events;  // all else: "connect allowed" → 3
  };
  struct Session {
    std::string id, began, command;
    std::vector<Box> boxes;
    std::map<std::string, std::size_t> index;
    std::map<std::string, int> events;  // of no box
  };

  static Box& box_of(Session& session, const std::string& id);
  static void add_start(const Entry& entry, Session& session);
  static void print_box(std::ostream& out, const Session& session, const Box& box,
                        const std::string& indent);

  std::vector<Session> sessions_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace agentbox::audit
