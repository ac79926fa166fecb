// Finds whether a log is still what was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace agentbox::audit {

struct Problem {
  enum class Kind {
    kEdited,       // a line's bytes do not give its hash, or its neighbour's chain
    kDeleted,      // records are missing between two others, or at the start
    kReordered,    // a line stands before one that it follows
    kDuplicated,   // a line stands twice
    kInserted,     // a line that was not there
    kCutTail,      // the last records are missing
    kBrokenLine,   // not a record at all
    kForeignHead,  // the head is missing, damaged, or of another log
  };
  Kind kind;
  std::string file;        // "audit.jsonl"
  std::uint64_t line = 0;  // from 1; 0: the file as a whole
  std::string message;     // one sentence; safe to print
};

// "edited", "cut tail", …
const char* problem_name(Problem::Kind kind);

struct Verification {
  std::uint64_t records = 0;       // good ones from the start
  std::string hash;                // of the last good one: note it elsewhere to compare later
  std::optional<Problem> problem;  // the first
  std::vector<std::string>
      notes;  // what crashes left and was mended, or will be at the next record
  bool ok() const { return !problem; }
};

// Streams over all files of the log as they stand when it is called; sessions may go on writing.
// A directory without a log is an empty log that is ok. Changes nothing. Throws base::SystemError
// when a file cannot be read.
Verification verify(const std::string& directory);

}  // namespace agentbox::audit
