// Turns references into values, in the supervisor only.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "resolver/account.h"
#include "resolver/reference.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

enum class Failure {
  kAuthRequired,
  kAuthFailed,
  kPermissionDenied,
  kNotFound,
  kAmbiguous,
  kRateLimited,
  kUnavailable,
  kTimeout,
  kInvalidReference,
  kInvalidResponse,
  kInvalidValue,
};
const char* failure_name(Failure failure);  // "not_found"; what the audit record says

struct Value {
  Secret secret;
  std::string version;               // the backend's own version id, or empty
  std::chrono::seconds lifetime{0};  // how long the backend promises it to be good; 0: not said
};

// No secret in any of these texts.
struct Failed {
  Failure failure;
  std::string message;  // cause, in the backend's words where it has any, made printable
  std::string hint;     // what to type next
};

using Answer = std::variant<Value, Failed>;

// What a backend opened for this session (a database user, a login) and has to close after it.
// Used from one thread at a time. renew() and revoke() block up to the deadline.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual std::string name() const = 0;       // for the log; no secret
  virtual std::string reference() const = 0;  // as written; empty for a login
  // How long it is good from its last renewal on; 0: it does not end by itself.
  virtual std::chrono::seconds lifetime() const = 0;
  virtual bool renewable() const = 0;
  // Whether the session needs it. What it does not need is closed at once.
  virtual bool needed() const = 0;
  virtual std::optional<Failed> renew(std::chrono::steady_clock::time_point deadline) = 0;
  virtual std::optional<Failed> revoke(std::chrono::steady_clock::time_point deadline) = 0;
};

// One backend: a batch of references of its schemes in, one answer for each, in order. May block up
// to `deadline`. Called from one thread at a time. A base::Error that it throws becomes the answer
// (kUnavailable) to the whole batch.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  // Whether it waits for a program or a network, so that a thread is worth its cost.
  virtual bool waits() const { return true; }
  // Where it may wait for a person: what that person would have to do, in a sentence.
  virtual std::string meanwhile() const { return {}; }
  virtual std::vector<Answer> resolve(const std::vector<Reference>& references,
                                      std::chrono::steady_clock::time_point deadline) = 0;
  // What resolve() opened since the last call, in the order in which to close it.
  virtual std::vector<std::unique_ptr<Lease>> take_leases() { return {}; }
};

struct Resolution {
  Reference reference;
  std::string backend;
  Answer answer;
  std::chrono::microseconds latency{0};
  bool cached = false;       // Cache: the store was not asked; or
  std::string offline = {};  // it could not be reached, and that is what it said
};

// A backend that a call of resolve() is waiting for.
struct Pending {
  std::string backend;    // Backend::name()
  std::string meanwhile;  // Backend::meanwhile()
};

class Resolver {
 public:
  // Registers the built-in backends: op (avoiding programs below the working directory), local
  // (base::state_directory() + "/local", without a passphrase prompt), env and file.
  // With an account, stores are asked on that one and no other: a reference of a scheme that it
  // does not hold is kAuthRequired.
  explicit Resolver(std::shared_ptr<const Account> account = nullptr);
  Resolver(Resolver&&) noexcept;
  ~Resolver();

  // Replaces or adds the backend of a scheme.
  void add(const std::string& scheme, std::shared_ptr<Backend> backend);

  // One Resolution a reference, in order. Backends get one batch each and run in parallel if more
  // than one of them waits; a reference that stands twice is resolved once. A value that is empty,
  // holds a NUL byte or is itself a reference is refused (kInvalidValue), and so is every reference
  // of a scheme without a backend (kUnavailable). Blocks up to `time_limit`; not thread-safe.
  // Throws base::Error if memory for the values cannot be locked.
  std::vector<Resolution> resolve(const std::vector<Reference>& references,
                                  std::chrono::milliseconds time_limit);

  // nullptr: the user's own.
  const Account* account() const { return account_.get(); }
  // The environment that backends are to read.
  const char* const* variables() const;

  // Whom a call of resolve() on another thread waits for just now, by name. Nobody while a backend
  // has the caller's thread, as it may be asking for a passphrase. Thread-safe.
  std::vector<Pending> pending() const;

  // What the backends opened since the last call; a LeaseKeeper's to keep and close.
  std::vector<std::unique_ptr<Lease>> take_leases();

 private:
  class Waits;

  std::shared_ptr<const Account> account_;  // the backends read it
  std::map<std::string, std::shared_ptr<Backend>> backends_;
  std::unique_ptr<Waits> waits_;
};

}  // namespace agentbox::resolver
