#include "resolver/resolver.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "base/directories.h"
#include "base/error.h"
#include "resolver/backends/aws_secrets.h"
#include "resolver/backends/doppler.h"
#include "resolver/backends/env.h"
#include "resolver/backends/exec.h"
#include "resolver/backends/file.h"
#include "resolver/backends/infisical.h"
#include "resolver/backends/keyring.h"
#include "resolver/backends/local.h"
#include "resolver/backends/op.h"
#include "resolver/backends/pass.h"
#include "resolver/backends/sops.h"
#include "resolver/backends/vault.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

// One backend's share of a call: its references without repetitions, and for each of them the
// places in the caller's list that it answers.
struct Batch {
  Backend* backend = nullptr;
  std::vector<Reference> references;
  std::vector<std::vector<std::size_t>> places;
  std::vector<Answer> answers;
  std::chrono::microseconds latency{0};
};

void answer_all(Batch& batch, const Failed& failed) {
  batch.answers.clear();
  for (std::size_t i = 0; i < batch.references.size(); ++i) {
    batch.answers.emplace_back(failed);
  }
}

void run_batch(Batch& batch, Clock::time_point deadline) {
  const Clock::time_point start = Clock::now();
  try {
    batch.answers = batch.backend->resolve(batch.references, deadline);
    if (batch.answers.size() != batch.references.size()) {
      answer_all(batch,
                 {Failure::kInvalidResponse, "the backend gave another number of answers", ""});
    }
  } catch (const base::Error& error) {
    answer_all(batch, {Failure::kUnavailable, error.what(), error.hint()});
  } catch (const std::exception&) {
    // The text of a library's exception may quote what it was working on.
    answer_all(batch, {Failure::kUnavailable, "the backend failed inside", ""});
  }
  batch.latency = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
}

void add_to_batch(std::vector<Batch>& batches, Backend* backend, const Reference& reference,
                  std::size_t place) {
  Batch* batch = nullptr;
  for (Batch& candidate : batches) {
    if (candidate.backend == backend) {
      batch = &candidate;
    }
  }
  if (batch == nullptr) {
    batch = &batches.emplace_back();
    batch->backend = backend;
  }
  for (std::size_t i = 0; i < batch->references.size(); ++i) {
    if (batch->references[i].text == reference.text) {
      batch->places[i].push_back(place);
      return;
    }
  }
  batch->references.push_back(reference);
  batch->places.push_back({place});
}

// What no box can be given, whatever the backend.
Answer checked(Answer answer) {
  const Value* value = std::get_if<Value>(&answer);
  if (value == nullptr) {
    return answer;
  }
  const std::string_view text = value->secret.reveal();
  if (text.empty()) {
    return Failed{Failure::kInvalidValue, "the value is empty", "store a value there"};
  }
  if (text.find('\0') != std::string_view::npos) {
    return Failed{Failure::kInvalidValue, "the value holds a NUL byte",
                  "no environment variable can hold one; store it in base64"};
  }
  if (is_reference(text)) {
    return Failed{Failure::kInvalidValue, "the value is itself a reference",
                  "name the place that holds the value; references are not followed"};
  }
  return answer;
}

Answer copy_of(const Answer& answer) {
  if (const Value* value = std::get_if<Value>(&answer)) {
    return Value{value->secret.clone(), value->version, value->lifetime};
  }
  return std::get<Failed>(answer);
}

}  // namespace

// Whom resolve() waits for.
class Resolver::Waits {
 public:
  void begin(const Batch* batch) {
    const std::lock_guard lock(mutex_);
    pending_.emplace(batch, Pending{batch->backend->name(), batch->backend->meanwhile()});
  }
  void end(const Batch* batch) {
    const std::lock_guard lock(mutex_);
    pending_.erase(batch);
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
  }
  std::vector<Pending> pending() const {
    const std::lock_guard lock(mutex_);
    std::vector<Pending> all;
    if (!held_) {
      for (const auto& [batch, one] : pending_) {
        all.push_back(one);
      }
    }
    return all;
  }

  // Backends that wait run side by side, the last of them and all others on this thread: a launch
  // that needs one program or none starts no thread.
  void run(std::vector<Batch>& batches, Clock::time_point deadline);

 private:
  void run_waiting(Batch& batch, Clock::time_point deadline) {
    run_batch(batch, deadline);
    wipe_stack();
    end(&batch);
  }

  mutable std::mutex mutex_;
  std::map<const Batch*, Pending> pending_;
  bool held_ = false;
};

void Resolver::Waits::run(std::vector<Batch>& batches, Clock::time_point deadline) {
  std::vector<std::jthread> threads;
  Batch* last = nullptr;
  hold(true);
  for (Batch& batch : batches) {
    if (batch.backend->waits()) {
      begin(&batch);
      if (last != nullptr) {
        threads.emplace_back([this, waiting = last, deadline] { run_waiting(*waiting, deadline); });
      }
      last = &batch;
    }
  }
  for (Batch& batch : batches) {
    if (!batch.backend->waits()) {
      run_batch(batch, deadline);
    }
  }
  hold(false);
  if (last != nullptr) {
    run_waiting(*last, deadline);
  }
}

const char* failure_name(Failure failure) {
  switch (failure) {
    case Failure::kAuthRequired:
      return "auth_required";
    case Failure::kAuthFailed:
      return "auth_failed";
    case Failure::kPermissionDenied:
      return "permission_denied";
    case Failure::kNotFound:
      return "not_found";
    case Failure::kAmbiguous:
      return "ambiguous";
    case Failure::kRateLimited:
      return "rate_limited";
    case Failure::kUnavailable:
      return "unavailable";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kInvalidReference:
      return "invalid_reference";
    case Failure::kInvalidResponse:
      return "invalid_response";
    case Failure::kInvalidValue:
      return "invalid_value";
  }
  return "unavailable";
}

Resolver::Resolver(std::shared_ptr<const Account> account)
    : account_(std::move(account)), waits_(std::make_unique<Waits>()) {
  const Environment environment(variables());
  add("op", std::make_shared<OpBackend>(OpBackend::Options{variables(), {}}));
  add("local", std::make_shared<LocalBackend>(base::state_directory() + "/local"));
  add("env", std::make_shared<EnvBackend>());
  add("file", std::make_shared<FileBackend>());
  add("aws-sm", std::make_shared<AwsSecretsBackend>(environment));
  add("doppler", std::make_shared<DopplerBackend>(environment));
  add("infisical", std::make_shared<InfisicalBackend>(environment));
  add("exec", std::make_shared<ExecBackend>(ToolOptions()));
  add("keyring", std::make_shared<KeyringBackend>());
  add("pass", std::make_shared<PassBackend>(ToolOptions()));
  add("sops", std::make_shared<SopsBackend>(""));
  add("vault", std::make_shared<VaultBackend>(environment));
}

const char* const* Resolver::variables() const {
  return account_ == nullptr ? environ : account_->variables();
}

Resolver::Resolver(Resolver&&) noexcept = default;
Resolver::~Resolver() = default;

void Resolver::add(const std::string& scheme, std::shared_ptr<Backend> backend) {
  backends_[scheme] = std::move(backend);
}

std::vector<Resolution> Resolver::resolve(const std::vector<Reference>& references,
                                          std::chrono::milliseconds time_limit) {
  std::vector<Resolution> resolutions;
  std::vector<Batch> batches;
  for (const Reference& reference : references) {
    const auto found = backends_.find(reference.scheme);
    if (found == backends_.end()) {
      std::string schemes;
      for (const auto& [scheme, backend] : backends_) {
        schemes += (schemes.empty() ? "" : ", ") + scheme + "://";
      }
      resolutions.push_back(
          {reference,
           reference.scheme,
           Failed{Failure::kUnavailable,
                  "this version has no backend for " + reference.scheme + ":// references",
                  "it resolves " + schemes},
           {}});
      continue;
    }
    if (account_ != nullptr && !account_->holds(reference.scheme)) {
      resolutions.push_back(
          {reference,
           reference.scheme,
           Failed{Failure::kAuthRequired,
                  "the scope has accounts of its own, and none for " + reference.scheme + "://",
                  "add one to the scope's \"accounts\"; your own is not used in its place"},
           {}});
      continue;
    }
    add_to_batch(batches, found->second.get(), reference, resolutions.size());
    resolutions.push_back({reference, found->second->name(), Failed{}, {}});
  }
  waits_->run(batches, Clock::now() + time_limit);
  for (Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.references.size(); ++i) {
      Answer answer = checked(std::move(batch.answers[i]));
      const std::vector<std::size_t>& places = batch.places[i];
      for (std::size_t copy = 1; copy < places.size(); ++copy) {
        resolutions[places[copy]].answer = copy_of(answer);
        resolutions[places[copy]].latency = batch.latency;
      }
      resolutions[places[0]].answer = std::move(answer);
      resolutions[places[0]].latency = batch.latency;
    }
  }
  return resolutions;
}

std::vector<Pending> Resolver::pending() const { return waits_->pending(); }

std::vector<std::unique_ptr<Lease>> Resolver::take_leases() {
  std::vector<std::unique_ptr<Lease>> leases;
  std::vector<Backend*> asked;  // one may stand for several schemes
  for (const auto& [scheme, backend] : backends_) {
    if (std::find(asked.begin(), asked.end(), backend.get()) == asked.end()) {
      asked.push_back(backend.get());
      for (std::unique_ptr<Lease>& lease : backend->take_leases()) {
        leases.push_back(std::move(lease));
      }
    }
  }
  return leases;
}

}  // namespace agentbox::resolver
