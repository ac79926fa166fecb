#include "resolver/backends/pass.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "base/encode.h"
#include "base/nearest.h"
#include "resolver/environment.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

// The entry as the programs name it: never an option, never outside the store.
std::optional<std::string> entry_of(const Reference& reference) {
  std::string entry;
  for (const std::string& part : reference.path) {
    if (part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos) {
      return std::nullopt;
    }
    entry += (entry.empty() ? "" : "/") + part;
  }
  return entry.empty() || entry.front() == '-' ? std::nullopt : std::optional(entry);
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

// `key` is a number (a line, from 1) or a word before a colon.
Answer pick(std::string_view text, const std::string& key) {
  const std::string wanted = key.empty() ? "1" : key;
  std::size_t line = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), line);
  const bool by_number = error == std::errc() && end == wanted.data() + wanted.size();
  std::optional<std::string_view> found;
  std::vector<std::string> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t stop = std::min(text.find('\n'), text.size());
    const std::string_view here = text.substr(0, stop);
    text.remove_prefix(std::min(stop + 1, text.size()));
    if (by_number) {
      if (number == line) {
        return Value{Secret(here), ""};
      }
      continue;
    }
    const std::size_t colon = here.find(':');
    if (number == 1 || colon == std::string_view::npos) {
      continue;
    }
    if (trimmed(here.substr(0, colon)) == wanted) {
      if (found) {
        return Failed{Failure::kAmbiguous,
                      "the entry has more than one line \"" + base::printable(wanted) + ":\"",
                      "name the line by its number, as in #3"};
      }
      found = trimmed(here.substr(colon + 1));
    }
  }
  if (!found) {
    // The other keys are not named: a line with a colon may be a secret as well.
    return Failed{Failure::kNotFound,
                  by_number ? "the entry has no line " + wanted
                            : "the entry has no line \"" + base::printable(wanted) + ":\"",
                  "look at it: `pass show`; the first line has no key"};
  }
  return Value{Secret(*found), ""};
}

Failed not_there(const std::string& entry, const std::vector<std::string>& entries) {
  const std::string near = base::nearest(entry, entries);
  const bool directory = std::any_of(entries.begin(), entries.end(), [&](const std::string& name) {
    return name.starts_with(entry + "/");
  });
  return {Failure::kNotFound,
          base::printable(entry) + (directory ? " is a folder of the password store, not an entry"
                                              : " is not in the password store"),
          near.empty() ? "`pass ls` shows what is there"
                       : "did you mean pass://" + base::printable(near) + "?"};
}

struct Known {
  std::string_view text;
  Failure failure;
  const char* hint;
};

constexpr const char* kUnlock =
    "unlock it: `pass show` one entry in a terminal, then start again before gpg-agent forgets";
constexpr std::array<Known, 10> kKnown = {{
    // gpg says so of a key that it cannot ask the passphrase of, too.
    {"No secret key", Failure::kAuthRequired,
     "unlock the key by `pass show` in a terminal, then start again; or it is not in this keyring: "
     "`gpg --list-secret-keys`"},
    {"Operation cancelled", Failure::kAuthRequired, kUnlock},
    {"Inappropriate ioctl", Failure::kAuthRequired, kUnlock},
    {"No pinentry", Failure::kAuthRequired, kUnlock},
    {"pinentry", Failure::kAuthRequired, kUnlock},
    {"No passphrase", Failure::kAuthRequired, kUnlock},
    {"Timeout", Failure::kAuthRequired, kUnlock},
    {"Bad passphrase", Failure::kAuthFailed, kUnlock},
    {"is not in the password store", Failure::kNotFound, "`pass ls` shows what is there"},
    {"password store is empty", Failure::kNotFound, "make it: `pass init KEY-ID`"},
}};

Failed explain(const Tool::Outcome& outcome, const Tool& tool) {
  if (outcome.failed) {
    Failed failed = *outcome.failed;
    failed.hint = failed.failure == Failure::kTimeout ? kUnlock : failed.hint;
    return failed;
  }
  const std::string complaint = outcome.complaint();
  Failed failed{Failure::kUnavailable,
                tool.name() + " ended with status " + std::to_string(outcome.status) +
                    (complaint.empty() ? "" : ": " + complaint),
                "try it yourself: `" + tool.name() + " show`"};
  for (const Known& known : kKnown) {
    if (outcome.errors.find(known.text) != std::string::npos) {
      failed.failure = known.failure;
      failed.hint = known.hint;
      break;
    }
  }
  return failed;
}

class Call {
 public:
  Call(const ToolOptions& options, Clock::time_point deadline)
      : options_(options), deadline_(deadline) {}

  std::optional<Failed> prepare() {
    std::optional<Failed> missing;
    for (const char* program : {"pass", "gopass"}) {
      std::variant<Tool, Failed> found =
          Tool::find(program, "install it: `apt install pass`", options_,
                     {"HOME", "PASSWORD_STORE_DIR", "GNUPGHOME", "GOPASS_HOMEDIR",
                      "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DISPLAY",
                      "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"});
      if (Tool* tool = std::get_if<Tool>(&found)) {
        tool_ = std::move(*tool);
        return list();
      }
      Failed failed = std::get<Failed>(std::move(found));
      if (!missing || missing->failure == Failure::kUnavailable) {
        missing = std::move(failed);
      }
    }
    return missing;
  }

  // The whole entry, or why not.
  std::variant<Secret, Failed> show(const std::string& entry) const {
    // Both programs print a folder as a tree, and exit with 0.
    if (std::find(entries_.begin(), entries_.end(), entry) == entries_.end()) {
      return not_there(entry, entries_);
    }
    std::vector<std::string> arguments = {"show"};
    if (is_gopass()) {
      arguments.insert(arguments.end(), {"--noparsing", "--unsafe"});
    }
    arguments.insert(arguments.end(), {"--", entry});
    Tool::Outcome outcome = tool_->run(std::move(arguments), deadline_);
    if (outcome.failed || outcome.status != 0) {
      return explain(outcome, *tool_);
    }
    return std::move(outcome.output);
  }

 private:
  bool is_gopass() const { return tool_->name() == "gopass"; }

  std::optional<Failed> list() {
    if (!is_gopass()) {
      return list_directory();
    }
    const Tool::Outcome outcome = tool_->run({"ls", "--flat"}, deadline_);
    if (outcome.failed || outcome.status != 0) {
      return explain(outcome, *tool_);
    }
    std::string_view text = outcome.output.reveal();
    while (!text.empty()) {
      const std::size_t stop = std::min(text.find('\n'), text.size());
      entries_.emplace_back(text.substr(0, stop));
      text.remove_prefix(std::min(stop + 1, text.size()));
    }
    return std::nullopt;
  }

  std::optional<Failed> list_directory() {
    namespace fs = std::filesystem;
    const Environment environment(options_.environment);
    std::string root(environment.get("PASSWORD_STORE_DIR"));
    if (root.empty()) {
      root = std::string(environment.get("HOME")) + "/.password-store";
    }
    std::error_code error;
    fs::recursive_directory_iterator at(root,
                                        fs::directory_options::follow_directory_symlink |
                                            fs::directory_options::skip_permission_denied,
                                        error);
    if (error) {
      const bool absent = error == std::errc::no_such_file_or_directory;
      return Failed{absent ? Failure::kNotFound : Failure::kPermissionDenied,
                    absent ? "there is no password store at " + base::printable(root)
                           : "cannot read " + base::printable(root) + ": " + error.message(),
                    absent ? "make it: `pass init KEY-ID`; PASSWORD_STORE_DIR names another place"
                           : "make it yours: `chown -R \"$USER\"` it"};
    }
    constexpr int kDeepest = 32;  // a symbolic link may lead round in a circle
    for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
      if (at.depth() > kDeepest || at->path().filename().string().starts_with('.')) {
        at.disable_recursion_pending();
        continue;
      }
      if (at->path().extension() == ".gpg") {
        std::string entry = at->path().string().substr(root.size());
        entry.erase(0, entry.find_first_not_of('/'));
        entries_.push_back(entry.substr(0, entry.size() - 4));
      }
    }
    return std::nullopt;
  }

  const ToolOptions& options_;
  Clock::time_point deadline_;
  std::optional<Tool> tool_;
  std::vector<std::string> entries_;
};

}  // namespace

std::vector<Answer> PassBackend::resolve(const std::vector<Reference>& references,
                                         Clock::time_point deadline) {
  Call call(options_, deadline);
  std::vector<Answer> answers;
  if (const std::optional<Failed> failed = call.prepare()) {
    for (std::size_t i = 0; i < references.size(); ++i) {
      answers.emplace_back(*failed);
    }
    return answers;
  }
  std::map<std::string, std::variant<Secret, Failed>> shown;
  for (const Reference& reference : references) {
    const std::optional<std::string> entry = entry_of(reference);
    if (!entry || !reference.query.empty()) {
      answers.emplace_back(Failed{Failure::kInvalidReference, "it names no entry of the store",
                                  "the form is pass://folder/name[#key]"});
      continue;
    }
    auto at = shown.find(*entry);
    if (at == shown.end()) {
      at = shown.emplace(*entry, call.show(*entry)).first;
    }
    if (const Failed* failed = std::get_if<Failed>(&at->second)) {
      answers.emplace_back(*failed);
    } else {
      answers.push_back(pick(std::get<Secret>(at->second).reveal(), reference.fragment));
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
