// One policy document as written: keys checked, nothing merged, nothing decided. docs/policy.md
// describes every key; profiles/agentbox.schema.json says the same to editors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::policy {

// Where something stands; what `explain`, errors and the audit record's `rule` show.
struct Place {
  std::string file;  // as the user would name it; "built-in" for the floor
  std::size_t line = 0;
  std::size_t column = 0;

  std::string text() const;  // "agentbox.json:4:17"
};

// Who speaks in a layer, the weakest first. docs/policy.md says what a later layer may change.
enum class Layer { kFloor, kProfile, kUser, kRepository, kCommandLine };

// A glob (docs/policy.md, "Patterns") or a "host:port" entry, with its place.
struct Pattern {
  std::string text;
  Place place;
  Layer layer = Layer::kFloor;  // set by merge(): the rules' precedence
};

// What happens to a file in which a secret is found by content.
enum class Detect { kOff, kReport, kRedact, kDeny };

// What happens when a box writes a secret that was released to it (by mistake: it knows the value).
enum class WriteSecrets { kAllow, kMask, kDeny };

// A choice for all files ("**"), or for those that a glob names; the later entry wins.
template <typename Choice>
struct ChoiceFor {
  Pattern pattern;
  Choice choice;
};

// What is done about secrets in the objects of the project's git repository.
enum class History { kWarn, kRefuse, kFilter };

struct Files {
  std::vector<Pattern> hide, redact, show, readonly;
  std::vector<ChoiceFor<Detect>> detect;  // "redact", or {"**": "redact", "docs/**": "off"}
  std::vector<ChoiceFor<WriteSecrets>> write_secrets;  // the same form
};

// Paths below the home directory that a box may see at all; the rest is scratch.
struct Home {
  std::vector<Pattern> read, write;
};

struct Environment {
  std::vector<Pattern> pass;               // names or globs ("LC_*") from the caller
  std::map<std::string, std::string> set;  // fixed, not secret
};

enum class Deliver { kValue, kPlaceholder };

// No secret's name: each secret has a file of its name in the box, where this one is the broker's
// socket.
inline constexpr char kReservedSecret[] = "broker.sock";

struct Secret {
  std::string name;
  std::string from;  // a reference; empty if `template_file` is set
  std::string template_file;
  std::string env;   // variable to set, or empty
  std::string file;  // path to show the value at ("~/…" or relative to the project), or empty
  Deliver deliver = Deliver::kValue;
  std::vector<std::string> hosts;
  // How often the value of a running box's file is looked up anew; not unless asked for.
  std::optional<std::chrono::seconds> refresh;
  // How long a value from the encrypted cache will do; and one that is older, up to `offline`, when
  // its store cannot be reached. Not kept at all without `cache`.
  std::optional<std::chrono::seconds> cache, offline;
  Place place;
};

enum class Approve { kNever, kSession, kEach };

// What a box of a scope is started with: the variables of its references (parameters.h).
struct Parameter {
  std::string name;
  std::string pattern;              // RE2, for the whole value; or, if it is empty:
  std::vector<std::string> values;  // the only ones
  Place place;
};

// Whose credentials a scope's references of one scheme are resolved with, in place of the user's
// own: what the variables of that backend stand for.
struct Account {
  std::string scheme;
  std::map<std::string, std::string> variables;  // each a reference, or a text that is no secret
  Place place;
};

struct Scope {
  std::string name;
  std::vector<std::string> secrets, spawn;
  std::vector<std::string> request;  // secrets that it gets only when it asks for them
  std::optional<std::vector<Pattern>> network;
  std::optional<Approve> approve;
  bool detach = false;  // may outlive the box that has started it
  std::map<std::string, Parameter> params;
  std::map<std::string, Account> accounts;  // by scheme; none: the user's own for all
  Place place;
};

// A program that runs in a box of its own when its name is typed in another one.
struct Command {
  std::string name;                          // no slash
  std::string scope;                         // of the box that it runs in
  std::optional<std::vector<Pattern>> args;  // see command_rules.h; any if it is left out
  Place place;
};

struct Limits {
  std::optional<std::uint64_t> memory;     // bytes, per box
  std::optional<std::uint64_t> processes;  // tasks, per box
  std::optional<std::uint64_t> files;      // open descriptors, per process
  std::optional<std::uint64_t> spawn_depth, spawn_concurrent;
};

enum class ViewMode { kAuto, kLive };

struct Document {
  std::string file;
  std::string directory;  // relative paths and templates resolve against it
  std::vector<Pattern> extends;
  Files files;
  Home home;
  Environment environment;
  std::vector<Pattern> system;  // absolute paths shown read-only besides the standard ones
  std::map<std::string, Secret> secrets;
  std::map<std::string, Scope> scopes;
  std::map<std::string, Command> commands;
  std::optional<std::vector<Pattern>> network;
  Limits limits;
  std::optional<ViewMode> view;
  std::optional<History> history;
  std::optional<bool> user_namespaces;  // may programs in the box make their own?
  Place place;
};

// Throws base::Error (kConfiguration) for a syntax error, an unknown key (with the nearest valid
// name), a wrong type, a bad pattern or number; the text begins with FILE:LINE:COLUMN. Pure.
Document parse(std::string_view text, const std::string& file, const std::string& directory);

// Every key that parse() knows, by the object that holds it: "" is the document itself, "files" the
// object under that key, "secrets.*" each object in `secrets`. The JSON Schema is held equal to it.
std::map<std::string, std::vector<std::string>> known_keys();

}  // namespace agentbox::policy
