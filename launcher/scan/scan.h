// What a box would not see of a project, and why: `agentbox scan`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "launcher/scan/report.h"
#include "policy/policy.h"

namespace agentbox::scan {

struct Options {
  std::string root;                // the project: absolute, no symbolic link in it
  std::vector<std::string> paths;  // what of it to report, relative; empty: all of it
  // Files outside whose other names are hidden in the project, and their values, too: absolute.
  std::vector<std::string> hidden_elsewhere;
  unsigned threads = 1;
};

// Read by another thread while scan() runs.
struct Progress {
  std::atomic<std::size_t> names{0};
  std::atomic<std::size_t> files{0};  // searched
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::size_t> findings{0};
};

// Walks the project for what a box would not see, then searches what it would see, and asks git
// about both. The object files of git directories are left to whoever reads git's history. What
// cannot be read is in the report. Throws base::Error if the scan could not be carried out.
Report scan(const Options& options, const policy::Policy& policy, Progress& progress);

}  // namespace agentbox::scan
