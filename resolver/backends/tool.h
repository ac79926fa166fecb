// The program of a store that has no interface but its program: found, run, and its end understood.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/process.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Where programs come from and what they may see.
struct ToolOptions {
  const char* const* environment = environ;  // the caller keeps the strings unchanged
  // Directories whose programs are not trusted; the working directory if there is none.
  std::vector<std::string> avoid;
};

// Every run gets PATH (its trusted directories alone), LANG=C and of the environment only what is
// named. Not thread-safe.
class Tool {
 public:
  // `program` is a name to look up in PATH, or an absolute path; `install` is what to do without
  // it. kUnavailable if there is none, kPermissionDenied if only one that is not trusted.
  static std::variant<Tool, Failed> find(const std::string& program, const std::string& install,
                                         const ToolOptions& options,
                                         std::initializer_list<std::string_view> passed);

  const std::string& name() const { return name_; }
  // Adds "NAME=value" to what it sees.
  void set(std::string variable) { own_.push_back(std::move(variable)); }
  // The same for a "NAME=value" that the caller keeps, as a credential in the environment.
  void pass(const char* variable) { passed_.push_back(variable); }

  struct Outcome {
    std::optional<Failed> failed;  // no exit status of its own: time-out, signal, too much output
    int status = 0;
    Secret output;
    // Standard error as it came, at most 8 KiB; may hold anything, so it is wiped at the end.
    std::string errors;

    ~Outcome() { wipe(errors); }
    Outcome() = default;
    Outcome(Outcome&&) = default;
    Outcome& operator=(Outcome&&) = default;

    // The last line of standard error with something on it, printable and at most 300 bytes; a
    // sentence in its place if it quotes what was printed.
    std::string complaint() const;
  };
  Outcome run(std::vector<std::string> arguments, std::chrono::steady_clock::time_point deadline,
              std::string_view input = {}) const;

 private:
  std::string name_;
  std::string program_;
  std::vector<std::string> own_;
  std::vector<const char*> passed_;
};

}  // namespace agentbox::resolver
