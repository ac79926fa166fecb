// Records for people. What a box chose goes through base::printable, so that it cannot drive the
// terminal or forge a line.
#pragma once

#include <ostream>
#include <string>

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

// "2026-01-31 08:09:10". Printable.
std::string short_time(const Entry& entry);
// Ids differ in their random end; the beginning is the time. Printable.
std::string short_id(const std::string& id);

}  // namespace agentbox::audit
