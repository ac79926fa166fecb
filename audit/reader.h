// Reads the log's records, in order, also while sessions write more.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "audit/files.h"
#include "audit/moment.h"
#include "base/unique_fd.h"

namespace agentbox::audit {

// Empty fields let everything through.
struct Filter {
  std::string session;  // an id, or the beginning or end of one
  std::string event;
  std::optional<Moment> since;
};

struct Entry {
  std::string line;     // as it stands in the file
  nlohmann::json json;  // the same; an object

  // A field's bytes (decode_bytes), "" if it is absent or no string. Print through base::printable.
  std::string text(const char* key) const;
};

// Not thread-safe. Checks no hashes: that is verify(). Lines that are no records are skipped and
// counted.
class Reader {
 public:
  // A directory that does not exist is an empty log. Throws base::SystemError.
  Reader(const std::string& directory, Filter filter);

  // The next record that the filter lets through; false at the end. May be called again later.
  bool next(Entry& entry);
  // Blocks until there may be more, or `stop` is readable (false then). The first call begins to
  // watch the directory, which must exist: call next() again after it before waiting.
  bool wait(int stop);

  std::uint64_t skipped() const { return skipped_; }

 private:
  bool open_file();
  bool open_following();
  bool accepts(const Entry& entry) const;

  std::string path_;
  Filter filter_;
  std::string since_;
  base::UniqueFd directory_;
  base::UniqueFd watch_;
  std::uint64_t number_ = 1;  // of the file in work: it is, or will be, rolled_name(number_)
  base::UniqueFd file_;
  std::optional<LineReader> lines_;
  std::uint64_t skipped_ = 0;
};

// The session of the newest record that has one; "" if there is none. Throws base::SystemError.
std::string last_session(const std::string& directory);

}  // namespace agentbox::audit
