// Where `read` and `inject` put what they were asked for.
#pragma once

#include <boost/program_options.hpp>
#include <string>

#include "resolver/secret.h"

namespace agentbox::cli {

class Output {
 public:
  void add_options(boost::program_options::options_description& options);

  // Before anything is resolved: throws base::Error (kFailed) for a mode that is none, and for a
  // file that exists without --force.
  void check() const;
  // "stdout", or the file's path: for the log.
  std::string name() const { return file_.empty() ? "stdout" : file_; }
  bool to_file() const { return !file_.empty(); }
  // Throws base::SystemError. A file is there as a whole or not at all.
  void write(const resolver::Secret& text) const;

 private:
  std::string file_;
  std::string mode_ = "0600";
  bool force_ = false;
};

}  // namespace agentbox::cli
