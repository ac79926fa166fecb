// One look through one text: what the parts of the detector share while it lasts.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

// What a file's name says of the text in it. Only narrows or widens what is found by name of a
// value; a token with a form of its own is found everywhere.
struct PathHints {
  explicit PathHints(std::string_view path);

  bool checksums = false;    // a lock file: random text that is no secret
  bool code = false;         // values are quoted; what is not is an expression
  bool translation = false;  // "password": "Passwort"
  bool made_up = false;      // tests, samples, documentation: passwords of examples
  bool settings = false;     // values without quotes
  bool netrc = false, pgpass = false, master_key = false;
};

constexpr std::size_t kLeastBlock = 64;  // bytes

// Where two overlap the higher one stays.
enum Rank : unsigned char { kByName, kByVendor, kByForm, kByToken, kByKeyBlock };

struct Candidate {
  std::size_t begin = 0, end = 0;
  const SecretKind* kind = nullptr;
  Rank rank = kByName;
};

struct Scan {
  std::string_view text;
  PathHints path;
  std::vector<Candidate>& candidates;

  // The name read last: one that holds two keywords is read once.
  std::size_t name_begin = 0, name_end = 0;
  // Known to be text: no bytes in it that only binary files have; no NUL.
  std::size_t clean_begin = 0, clean_end = 0;
  std::size_t unbroken_begin = 0, unbroken_end = 0;
  // The command looked at last, and the options looked for: its name may stand among its own words.
  std::size_t command_end = 0;
  const void* command_options = nullptr;
  // What announced a key or a manifest last. Those that are real do not stand closer together than
  // kLeastBlock; a file made to cost time has them side by side.
  std::size_t key_seen = std::string_view::npos, manifest_seen = std::string_view::npos;

  void add(std::size_t begin, std::size_t end, const SecretKind& kind, Rank rank) {
    if (begin < end) {
      candidates.push_back({begin, end, &kind, rank});
    }
  }
  std::string_view part(std::size_t begin, std::size_t end) const {
    return text.substr(begin, end - begin);
  }

  // Whether bytes that no text has stand beside it: fields of a database's page touch without a
  // border.
  bool touches_binary(std::size_t at);
  // Whether a NUL stands near: a program, an object file, a database, a process's environment.
  bool is_in_binary(std::size_t at);
  // Whether a value that only its name or place makes a secret counts where it stands. A program's
  // strings have all kinds of names and words side by side, and one byte changed breaks it.
  bool counts(std::size_t begin, std::size_t end);
};

// A literal was seen at [begin, end): what stands around it is judged.
using Handler = void (*)(Scan& scan, std::size_t begin, std::size_t end);

struct FormTrigger {
  std::string_view literal;
  bool any_case;
  Handler handler;
};

std::span<const FormTrigger> private_key_triggers();
std::span<const FormTrigger> web_token_triggers();
std::span<const FormTrigger> url_triggers();
std::span<const FormTrigger> manifest_triggers();
std::span<const FormTrigger> login_triggers();
std::span<const FormTrigger> command_triggers();
std::span<const FormTrigger> assignment_triggers();

// Forms that the file's name alone announces (.pgpass, master.key): reads the text once.
void find_by_path(Scan& scan);

}  // namespace agentbox::policy::detect
