#include "resolver/backends/vault.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"
#include "base/number.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/vault_lease.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kForm = "the form is vault://mount/path#key, with ?version=N if need be";

// Its query, or what is wrong with it.
std::optional<Failed> parse_query(std::string_view query, std::string& version,
                                  std::string& name_space) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::string_view value = pair.substr(std::min(pair.find('=') + 1, pair.size()));
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             std::string_view("-_./").find(c) != std::string_view::npos;
    });
    if (pair.starts_with("version=") && base::parse_number(value, 1'000'000'000)) {
      version = value;
    } else if (pair.starts_with("namespace=") && plain && !value.empty()) {
      name_space = value;
    } else {
      return Failed{Failure::kInvalidReference,
                    "an unknown query, or one without a plain value: " + base::printable(pair),
                    "it is ?version=NUMBER or ?namespace=NAME"};
    }
  }
  return std::nullopt;
}

bool is_path(const std::vector<std::string>& segments) {
  return segments.size() >= 2 &&
         std::none_of(segments.begin(), segments.end(), [](const std::string& segment) {
           return segment.empty() || segment == "." || segment == ".." ||
                  segment.find('/') != std::string::npos;
         });
}

}  // namespace

// One path to read, for all the references that want something of it.
struct VaultBackend::Read {
  std::string name_space, path, version;
  std::vector<std::size_t> wanted;  // places in the list of references
  std::optional<JsonReply> reply;
  std::optional<Failed> failed;
};

VaultBackend::VaultBackend(const Environment& environment)
    : server_(std::make_shared<VaultServer>(environment)), login_(*server_, environment) {}

VaultBackend::Reads VaultBackend::plan(const std::vector<Reference>& references,
                                       std::vector<Answer>& answers) const {
  Reads reads;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const Reference& reference = references[i];
    Read read;
    if (!is_path(reference.path) || reference.fragment.empty()) {
      answers[i] = Failed{Failure::kInvalidReference,
                          reference.fragment.empty() ? "it names no key of the secret"
                                                     : "not a mount and a path below it",
                          kForm};
      continue;
    }
    if (auto failed = parse_query(reference.query, read.version, read.name_space)) {
      answers[i] = *std::move(failed);
      continue;
    }
    for (const std::string& segment : reference.path) {
      read.path += (read.path.empty() ? "" : "/") + segment;
    }
    const auto same = std::find_if(reads.begin(), reads.end(), [&](const Read& other) {
      return other.path == read.path && other.version == read.version &&
             other.name_space == read.name_space;
    });
    Read& kept = same == reads.end() ? reads.emplace_back(std::move(read)) : *same;
    kept.wanted.push_back(i);
  }
  return reads;
}

const VaultBackend::Mount* VaultBackend::mount_of(const Read& read) const {
  for (const auto& [key, mount] : mounts_) {
    if (key == read.name_space + '\0' + mount.path && (read.path + "/").starts_with(mount.path)) {
      return &mount;
    }
  }
  return nullptr;
}

// What the command line program does before `vault kv get`: a policy that lets the path be read
// lets this be asked too.
void VaultBackend::find_mounts(Reads& reads, std::string_view token, Clock::time_point deadline) {
  std::vector<Read*> unknown;
  std::vector<HttpRequest> requests;
  for (Read& read : reads) {
    if (mount_of(read) == nullptr) {
      unknown.push_back(&read);
      requests.push_back(
          server_->request("GET", "sys/internal/ui/mounts/" + percent_encode(read.path, "/"),
                           read.name_space, token));
    }
  }
  auto outcomes = server_->ask(requests, deadline);
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    Read& read = *unknown[i];
    if (auto* failed = std::get_if<Failed>(&outcomes[i])) {
      read.failed = std::move(*failed);
      continue;
    }
    auto& reply = std::get<JsonReply>(outcomes[i]);
    const Document::Node data = reply.root()["data"];
    Mount mount;
    if (reply.status == 200 && data["path"].is_string()) {
      mount.path = data["path"].text();
      mount.kv = data["type"].text() == "kv" || data["type"].text() == "generic";
      mount.versioned = mount.kv && data["options"]["version"].text() == "2";
    } else if (reply.status == 404) {
      // A server from before this question: its key/value engines have one version.
      mount.path = read.path.substr(0, read.path.find('/')) + "/";
      mount.kv = true;
    } else if (reply.status < 400) {
      read.failed = {Failure::kInvalidResponse, "Vault did not say what is mounted there",
                     "look at VAULT_ADDR: it must name a Vault or OpenBao server"};
      continue;
    } else {
      read.reply = std::move(reply);
      continue;
    }
    mounts_[read.name_space + '\0' + mount.path] = std::move(mount);
  }
}

void VaultBackend::read_all(Reads& reads, std::string_view token, Clock::time_point deadline) {
  std::vector<Read*> asked;
  std::vector<HttpRequest> requests;
  for (Read& read : reads) {
    const Mount* mount = mount_of(read);
    if (read.failed || read.reply || mount == nullptr) {
      continue;
    }
    std::string path = read.path;
    if (mount->versioned) {
      path.insert(mount->path.size(), "data/");
    } else if (!read.version.empty()) {
      read.failed = {Failure::kInvalidReference, mount->path + " keeps no versions",
                     "leave out ?version="};
      continue;
    }
    path = percent_encode(path, "/") + (read.version.empty() ? "" : "?version=" + read.version);
    requests.push_back(server_->request("GET", path, read.name_space, token));
    // A read of a database's credentials makes a user; a second one would make another.
    requests.back().repeatable = mount->kv;
    asked.push_back(&read);
  }
  auto outcomes = server_->ask(requests, deadline);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (auto* failed = std::get_if<Failed>(&outcomes[i])) {
      asked[i]->failed = std::move(*failed);
    } else {
      asked[i]->reply = std::move(std::get<JsonReply>(outcomes[i]));
    }
  }
}

// Further questions, which only a failure is worth: is it the token or its policy (403), and what
// else is there (404)?
void VaultBackend::explain_failures(Reads& reads, std::string_view token,
                                    Clock::time_point deadline) {
  std::optional<bool> token_works;
  for (Read& read : reads) {
    if (read.failed || !read.reply || read.reply->status < 400) {
      continue;
    }
    const JsonReply& reply = *read.reply;
    Failed failed = server_->explain(reply, token);
    const Mount* mount = mount_of(read);
    if (reply.status == 403) {
      if (!token_works) {
        auto self = server_->ask_one(
            server_->request("GET", "auth/token/lookup-self", read.name_space, token), deadline);
        const auto* answer = std::get_if<JsonReply>(&self);
        token_works = answer == nullptr || answer->status != 403;
      }
      if (!*token_works) {
        failed.failure = Failure::kAuthFailed;
        failed.hint = "the token has expired or was revoked: `vault login`, or renew VAULT_TOKEN";
      }
    } else if (reply.status == 404 && mount != nullptr && mount->kv) {
      const Document::Node metadata = reply.root()["data"]["metadata"];
      if (metadata) {
        failed.message = "version " + metadata["version"].text() + " was " +
                         (metadata["destroyed"].is_true() ? "destroyed" : "deleted");
        failed.hint = "`vault kv undelete` brings a deleted version back; ?version=N names another";
      } else {
        explain_absence(read, *mount, token, deadline, failed);
      }
    }
    read.failed = std::move(failed);
  }
}

void VaultBackend::explain_absence(const Read& read, const Mount& mount, std::string_view token,
                                   Clock::time_point deadline, Failed& failed) {
  const std::string inside = read.path.substr(mount.path.size());
  failed.message =
      "there is no secret " + base::printable(inside) + " in " + base::printable(mount.path);
  if (mount.versioned && inside.starts_with("data/")) {
    failed.hint = "leave out \"data/\": it belongs to the API, not to the name";
    return;
  }
  const std::size_t slash = inside.rfind('/');
  const std::string above = slash == std::string::npos ? "" : inside.substr(0, slash + 1);
  auto outcome = server_->ask_one(
      server_->request(
          "GET",
          percent_encode(mount.path + (mount.versioned ? "metadata/" : "") + above, "/") +
              "?list=true",
          read.name_space, token),
      deadline);
  const auto* reply = std::get_if<JsonReply>(&outcome);
  if (reply != nullptr && reply->status == 200 && reply->document) {
    std::vector<std::string> names;
    const Document::Node keys = reply->document->root()["data"]["keys"];
    for (std::size_t i = 0; i < keys.size(); ++i) {
      names.push_back(keys[i].text());
    }
    failed.hint = suggest(inside.substr(above.size()), names);
  }
}

Answer VaultBackend::pick(const Reference& reference, const Read& read) const {
  if (read.failed) {
    return *read.failed;
  }
  const Mount* mount = mount_of(read);
  if (!read.reply || !read.reply->document || mount == nullptr) {
    return Failed{Failure::kInvalidResponse, "Vault answered with something that is not JSON",
                  "look at VAULT_ADDR: it must name a Vault or OpenBao server"};
  }
  const Document::Node root = read.reply->document->root();
  const Document::Node data = mount->versioned ? root["data"]["data"] : root["data"];
  if (!data.is_object()) {
    return Failed{Failure::kInvalidResponse, "Vault's answer holds no data",
                  "compare with `vault read PATH`"};
  }
  const Document::Node value = data[reference.fragment];
  if (!value) {
    return Failed{Failure::kNotFound,
                  "the secret has no key " + base::printable(reference.fragment),
                  suggest(reference.fragment, data.names())};
  }
  const std::string version =
      mount->versioned ? root["data"]["metadata"]["version"].text() : std::string();
  const bool leased = !root["lease_id"].text().empty();
  return Value{std::move(*value.secret()), version,
               std::chrono::seconds(leased ? root["lease_duration"].integer() : 0)};
}

void VaultBackend::keep_leases(const std::vector<Reference>& references, const Reads& reads,
                               VaultToken token) {
  const auto shared = std::make_shared<const Secret>(std::move(token.token));
  bool leased = false;
  for (const Read& read : reads) {
    if (read.failed || !read.reply || !read.reply->document) {
      continue;
    }
    const Document::Node root = read.reply->document->root();
    if (root["lease_id"].is_string() && !root["lease_id"].text().empty()) {
      leased = true;
      leases_.push_back(std::make_unique<VaultSecretLease>(
          server_, shared, read.name_space, references[read.wanted.front()].text,
          root["lease_id"].text(), std::chrono::seconds(root["lease_duration"].integer()),
          root["renewable"].is_true()));
    }
  }
  if (token.own) {
    leases_.push_back(std::make_unique<VaultLoginLease>(server_, shared, token.lifetime,
                                                        token.renewable, leased));
  }
}

std::vector<Answer> VaultBackend::resolve(const std::vector<Reference>& references,
                                          Clock::time_point deadline) {
  if (const std::optional<Failed> failed = server_->unconfigured()) {
    return same_answer(*failed, references.size());
  }
  std::vector<Answer> answers(references.size());
  Reads reads = plan(references, answers);
  if (reads.empty()) {
    return answers;
  }
  std::variant<VaultToken, Failed> login = login_.token(deadline);
  if (const auto* failed = std::get_if<Failed>(&login)) {
    return same_answer(*failed, references.size());
  }
  VaultToken& token = std::get<VaultToken>(login);
  find_mounts(reads, token.token.reveal(), deadline);
  read_all(reads, token.token.reveal(), deadline);
  explain_failures(reads, token.token.reveal(), deadline);
  for (const Read& read : reads) {
    for (const std::size_t place : read.wanted) {
      answers[place] = pick(references[place], read);
    }
  }
  keep_leases(references, reads, std::move(token));
  return answers;
}

std::vector<std::unique_ptr<Lease>> VaultBackend::take_leases() {
  return std::exchange(leases_, {});
}

}  // namespace agentbox::resolver
