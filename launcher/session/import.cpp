#include "launcher/session/import.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "audit/id.h"
#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "launcher/session/identity.h"
#include "launcher/session/paths.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"
#include "policy/detector.h"
#include "policy/environment_rules.h"
#include "policy/file_rules.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using resolver::EnvEntry;
using resolver::Reference;
using resolver::Secret;

Project project_of(const std::string& file) {
  try {
    return find_project(parent(file), current_identity().home);
  } catch (const Error&) {
    return {};  // a file need not be in a project
  }
}

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::chrono::seconds kTimeLimit{60};  // of a store, to take the values

const Secret* literal_of(const EnvEntry& entry) { return std::get_if<Secret>(&entry.value); }

}  // namespace

Import::Import(const ImportRequest& request)
    : file_(request.file),
      store_(open_local_store()),
      project_(project_of(file_.path())),
      entries_(
          resolver::parse_dotenv_whole(file_.text(), request.file, resolver::lookup_in(environ))) {
  if (!request.to.store.empty()) {
    StorePlace place = request.to;
    place.project = plain_project();
    writer_ = make_writer(place, project_);
  }
  choose(request);
  check_choice(request);
  name_places();
}

void Import::choose(const ImportRequest& request) {
  std::vector<policy::Finding> findings;
  policy::Detector::shipped().find(file_.text().reveal(), ".env", findings);
  for (const EnvEntry& entry : entries_) {
    ImportRow row{
        .name = entry.name, .line = entry.line, .moved = false, .why = {}, .reference = {}};
    const auto found =
        std::find_if(findings.begin(), findings.end(), [&](const policy::Finding& finding) {
          return finding.offset < entry.end && finding.offset + finding.length > entry.begin;
        });
    // A value that another one is filled into would break once that is a reference.
    const auto filled_in =
        std::find_if(entry.uses.begin(), entry.uses.end(), [&](const std::string& name) {
          const auto last =
              std::find_if(rows_.rbegin(), rows_.rend(),
                           [&](const ImportRow& earlier) { return earlier.name == name; });
          return last != rows_.rend() && last->moved;
        });
    if (const auto* reference = std::get_if<Reference>(&entry.value)) {
      row.why = "is a reference";
      row.reference = reference->text;
    } else if (literal_of(entry)->empty()) {
      row.why = "is empty";
    } else if (is_in(request.only, entry.name)) {
      row.moved = true;
      row.why = "named by --only";
    } else if (filled_in != entry.uses.end()) {
      row.moved = true;
      row.why = "holds the value of " + *filled_in;
    } else if (!request.only.empty()) {
      row.why = "not named by --only";
    } else if (found != findings.end()) {
      row.moved = true;
      row.why = found->kind->title;
    } else if (policy::looks_like_credential(entry.name)) {
      row.moved = true;
      row.why = "the name promises a secret";
    } else if (request.all) {
      row.moved = true;
      row.why = "--all";
    } else {
      row.why = "does not look like a secret";
    }
    rows_.push_back(std::move(row));
  }
  for (const policy::Finding& finding : findings) {
    if (std::none_of(entries_.begin(), entries_.end(), [&](const EnvEntry& entry) {
          return finding.offset < entry.end && finding.offset + finding.length > entry.begin;
        })) {
      const std::string_view before = file_.text().reveal().substr(0, finding.offset);
      other_lines_.push_back(1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')));
    }
  }
}

void Import::check_choice(const ImportRequest& request) const {
  std::vector<std::string> names;
  for (const EnvEntry& entry : entries_) {
    names.push_back(entry.name);
  }
  for (const std::string& name : request.only) {
    if (!is_in(names, name)) {
      const std::string near = base::nearest(name, names);
      throw Error(Status::kConfiguration,
                  base::printable(request.file) + " sets no " + base::printable(name),
                  near.empty() ? "" : "did you mean " + near + "?");
    }
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].moved) {
      continue;
    }
    const std::string place =
        base::printable(request.file) + ":" + std::to_string(rows_[i].line) + ": " + rows_[i].name;
    if (std::count(names.begin(), names.end(), rows_[i].name) > 1) {
      throw Error(Status::kConfiguration, place + " is set more than once",
                  "the last one counts: remove the others");
    }
    for (const std::string& used : entries_[i].uses) {
      if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), used) ==
          names.begin() + static_cast<std::ptrdiff_t>(i)) {
        throw Error(Status::kConfiguration,
                    place + " takes in " + used +
                        " from the environment, which would be stored "
                        "as it is now",
                    "write its value out, or name the others with --only");
      }
    }
  }
}

std::string Import::plain_project() const {
  const std::string root = project_.root.empty() ? parent(file_.path()) : project_.root;
  return resolver::plain_name(root.substr(root.rfind('/') + 1));
}

void Import::name_places() {
  if (writer_ == nullptr) {
    name_local_places();
    return;
  }
  for (ImportRow& row : rows_) {
    if (row.moved) {
      row.reference = writer_->reference(row.name);
    }
  }
}

void Import::name_local_places() {
  const std::string prefix = plain_project() + "/";
  std::set<std::string> taken;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].moved) {
      continue;
    }
    constexpr int kMost = 100;
    const std::string plain = prefix + resolver::plain_name(rows_[i].name);
    std::string name;
    for (int number = 1; name.empty() && number < kMost; ++number) {
      const std::string wish = plain + (number == 1 ? "" : "." + std::to_string(number));
      const std::optional<resolver::Value> present = store_.get(wish);
      if (!taken.contains(wish) &&
          (!present || resolver::equal(present->secret, *literal_of(entries_[i])))) {
        name = wish;
      }
    }
    if (name.empty()) {
      throw Error(Status::kFailed, "the local store holds too many values called " + plain,
                  "remove some: `agentbox secret list`, `agentbox secret rm NAME`");
    }
    taken.insert(name);
    rows_[i].reference = "local://" + name;
  }
}

bool Import::moves_any() const {
  return std::any_of(rows_.begin(), rows_.end(), [](const ImportRow& row) { return row.moved; });
}

bool Import::shown_afterwards() const { return policy::holds_only_references(new_text().reveal()); }

std::vector<std::string> Import::copies() const {
  std::vector<const Secret*> values;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].moved) {
      values.push_back(literal_of(entries_[i]));
    }
  }
  return file_.copies(values);
}

void Import::perform() {
  const Secret text = new_text();
  check_text(text);
  if (writer_ == nullptr) {
    store_locally();
  } else {
    store_by_writer();
  }
  try {
    read_back();
    file_.replace(text);
  } catch (const Error& error) {
    if (written_to_.empty()) {
      throw;
    }
    throw Error(error.status(),
                std::string(error.what()) + "; the values stay in " + written_to_ +
                    ", and what the file held is still in it",
                error.hint());
  }
}

void Import::store_locally() {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].moved) {
      const std::string name = rows_[i].reference.substr(std::string_view("local://").size());
      if (store_.add(name, *literal_of(entries_[i])) == 0) {
        throw Error(Status::kFailed,
                    rows_[i].reference +
                        " was set by another process meanwhile; the file was left "
                        "as it is",
                    "run `agentbox import` again");
      }
    }
  }
}

void Import::store_by_writer() {
  std::vector<resolver::NewValue> values;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].moved) {
      values.push_back({rows_[i].name, literal_of(entries_[i])});
    }
  }
  const std::string place = base::printable(writer_->place());
  const auto outcome = writer_->write(values, std::chrono::steady_clock::now() + kTimeLimit);
  if (const auto* failed = std::get_if<resolver::Failed>(&outcome)) {
    throw Error(Status::kConfiguration,
                "the values could not be written to " + place + " (" +
                    resolver::failure_name(failed->failure) + "): " + failed->message +
                    "; the file was left as it is",
                failed->hint);
  }
  if (std::get<resolver::Written>(outcome).changed) {
    written_to_ = place;
  }
}

void Import::read_back() const {
  const Identity identity = current_identity();
  audit::Record common;
  common.session = audit::new_id();
  common.actor = identity.name + "/agentbox";
  common.command = "import";
  Recorder recorder(base::state_directory() + "/audit", std::move(common));
  resolver::Resolver resolver = make_resolver(project_, Ask::kTerminal, kUsersOwn);
  std::vector<Grant> grants;
  std::vector<const Secret*> values;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].moved) {
      grants.push_back({.name = rows_[i].name,
                        .env = {},
                        .file = "import",
                        .source = resolver::parse_reference(rows_[i].reference),
                        .rule = file_.path() + ":" + std::to_string(rows_[i].line)});
      values.push_back(literal_of(entries_[i]));
    }
  }
  const std::vector<Released> released = release(std::move(grants), resolver, recorder);
  for (std::size_t i = 0; i < released.size(); ++i) {
    if (!resolver::equal(released[i].value, *values[i])) {
      const bool there = writer_ != nullptr && written_to_.empty();
      throw Error(there ? Status::kConfiguration : Status::kFailed,
                  released[i].name +
                      (there ? " has another value in " + base::printable(writer_->place()) +
                                   ", which was there before; nothing was written"
                             : std::string(" does not come back from the store as it was")) +
                      "; the file was left as it is",
                  there ? "choose another place: --item NAME or --path PATH"
                        : "`agentbox doctor` tries the store");
    }
  }
}

Secret Import::new_text() const {
  const std::string_view text = file_.text().reveal();
  resolver::SecretBuilder result;
  std::size_t at = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].moved) {
      result.append(text.substr(at, entries_[i].begin - at));
      const bool quoted = rows_[i].reference.find(' ') != std::string::npos;
      result.append(quoted ? "\"" + rows_[i].reference + "\"" : rows_[i].reference);
      at = entries_[i].end;
    }
  }
  result.append(text.substr(at));
  return result.take();
}

// The new text says the same as the old one, but for the values that became references.
void Import::check_text(const Secret& text) const {
  const std::vector<EnvEntry> now =
      resolver::parse_dotenv_whole(text, file_.path(), resolver::lookup_in(environ));
  bool good = now.size() == entries_.size();
  for (std::size_t i = 0; good && i < now.size(); ++i) {
    const auto* reference = std::get_if<Reference>(&now[i].value);
    const Secret* before = literal_of(entries_[i]);
    good =
        now[i].name == entries_[i].name &&
        (reference != nullptr ? reference->text == rows_[i].reference
                              : before != nullptr && resolver::equal(*literal_of(now[i]), *before));
  }
  if (!good) {
    throw Error(Status::kFailed,
                "the file would not mean the same with references in it; nothing was changed",
                "write quotes around the values, and run `agentbox import` again");
  }
}

}  // namespace agentbox::session
