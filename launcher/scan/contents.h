// Searches the contents of one file, however large, through a window that moves over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "launcher/scan/file.h"
#include "launcher/values/known_values.h"
#include "policy/detector.h"

namespace agentbox::scan {

// Where a secret stands. Lines and columns as in Finding.
struct Spot {
  std::size_t line = 0, column = 0, end_line = 0, end_column = 0;
  const policy::SecretKind* kind = nullptr;  // null: a known value and of no kind
  std::optional<std::uint32_t> source;       // of the known value, if it is one
};

struct Searched {
  std::uint64_t bytes = 0;
  std::size_t more = 0;  // spots that there was no room for
  int error = 0;         // errno of a read that failed: the rest of the file was not searched
};

// One thread's searcher: keeps its window and its lists between files.
class Searcher {
 public:
  Searcher(const policy::Detector& detector, std::shared_ptr<const values::ValueSet> known);

  // Appends to `spots`, by place, at most `room`. `path` is the detector's hint. The descriptor is
  // read from where it stands. Throws base::Error as the detector does.
  Searched search(int fd, std::string_view path, std::size_t room, std::vector<Spot>& spots);

 private:
  struct Hit {
    std::size_t offset = 0, end = 0;  // in the window
    const policy::SecretKind* kind = nullptr;
    std::optional<std::uint32_t> source;
  };
  void find(std::string_view window, std::string_view path);

  const policy::Detector& detector_;
  const std::shared_ptr<const values::ValueSet> known_;
  WipedBuffer window_;
  std::vector<policy::Finding> findings_;
  std::vector<values::Match> matches_;
  std::vector<Hit> hits_;
};

}  // namespace agentbox::scan
