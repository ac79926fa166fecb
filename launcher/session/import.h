// Moves the plain values of an env file into a store, and leaves references.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "launcher/session/env_file.h"
#include "launcher/session/project.h"
#include "launcher/session/store.h"
#include "resolver/dotenv.h"
#include "resolver/local_store.h"

namespace agentbox::session {

struct ImportRequest {
  std::string file;
  bool all = false;               // also what does not look like a secret
  std::vector<std::string> only;  // these names and no others; empty: what looks like a secret
  StorePlace to;                  // its project is filled in here; no store: the local one
};

// One NAME=value of the file.
struct ImportRow {
  std::string name;
  int line = 0;
  bool moved = false;
  std::string why;
  std::string reference;  // where it goes, or what stands there already; may be empty
};

// Reading and planning changes nothing. Not thread-safe. Throws base::Error.
class Import {
 public:
  explicit Import(const ImportRequest& request);

  const std::string& path() const { return file_.path(); }
  const std::vector<ImportRow>& rows() const { return rows_; }
  bool moves_any() const;
  // Lines with what looks like a secret and is no value: a comment, as a rule.
  const std::vector<int>& other_lines() const { return other_lines_; }
  // Whether a box may see the file afterwards: it holds references and nothing to hide.
  bool shown_afterwards() const;
  // Old copies of the file that hold one of the values that are moved.
  std::vector<std::string> copies() const;

  // Checks that the new text means the same, stores the values, reads each back as a session would
  // (on the log), and only then replaces the file. What was stored stays if a later step fails, and
  // the error says where.
  void perform();

 private:
  void choose(const ImportRequest& request);
  void check_choice(const ImportRequest& request) const;
  std::string plain_project() const;
  void name_places();
  void name_local_places();
  void store_locally();
  void store_by_writer();
  void read_back() const;
  resolver::Secret new_text() const;
  void check_text(const resolver::Secret& text) const;

  EnvFile file_;
  resolver::LocalStore store_;
  Project project_;
  std::unique_ptr<resolver::Writer> writer_;  // none: the local store
  std::string written_to_;                    // a place that holds values of this import now
  std::vector<resolver::EnvEntry> entries_;
  std::vector<ImportRow> rows_;  // of the entries
  std::vector<int> other_lines_;
};

}  // namespace agentbox::session
