#include "resolver/backends/op_connect.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/json_reply.h"
#include "resolver/backends/op_item.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAddress = "OP_CONNECT_HOST";
constexpr const char* kAuthority = "SSL_CERT_FILE";

// Vault or item IDs in the Connect API's specification.
bool is_id(std::string_view text) {
  return text.size() == 26 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
         });
}

// An item that is wanted, on its way from names to fields.
struct Item {
  std::string vault, title;  // as written
  std::string vault_id, id;
  std::vector<std::size_t> wanted;  // places in the list of references
  std::optional<Failed> failed;
  std::optional<Document> document;
};

// One call of resolve().
class Call {
 public:
  Call(Http& http, std::string_view host, std::string_view token, Clock::time_point deadline)
      : http_(http), base_(host), token_(token), deadline_(deadline) {
    while (base_.ends_with('/')) {
      base_.pop_back();
    }
    base_ += "/v1";
  }

  std::vector<Answer> resolve(const std::vector<Reference>& references) {
    collect(references);
    find_vaults();
    read_by_id();
    find_items();
    read_by_id();
    std::vector<Answer> answers(references.size());
    for (const Item& item : items_) {
      for (const std::size_t place : item.wanted) {
        answers[place] = item.failed ? Answer(*item.failed) : pick(references[place], item);
      }
    }
    return answers;
  }

 private:
  void collect(const std::vector<Reference>& references) {
    for (std::size_t i = 0; i < references.size(); ++i) {
      const std::vector<std::string>& path = references[i].path;
      const auto same = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
        return same_name(item.vault, path.at(0)) && same_name(item.title, path.at(1));
      });
      Item& item = same == items_.end() ? items_.emplace_back() : *same;
      item.vault = path.at(0);
      item.title = path.at(1);
      item.wanted.push_back(i);
    }
  }

  std::vector<Item*> open_items(bool with_id) {
    std::vector<Item*> open;
    for (Item& item : items_) {
      if (!item.failed && !item.document && item.id.empty() != with_id) {
        open.push_back(&item);
      }
    }
    return open;
  }

  // Titles may look like IDs, so one that does is tried as one first.
  void find_vaults() {
    const bool all_ids = std::all_of(items_.begin(), items_.end(),
                                     [](const Item& item) { return is_id(item.vault); });
    std::optional<Document> vaults;
    if (!all_ids) {
      JsonOutcome outcome = ask_one("/vaults");
      if (const auto* failed = std::get_if<Failed>(&outcome)) {
        fail_all(*failed);
        return;
      }
      auto& reply = std::get<JsonReply>(outcome);
      if (reply.status != 200 || !reply.document || !reply.document->root().is_array()) {
        fail_all(explain(reply, "its vaults"));
        return;
      }
      vaults = std::move(reply.document);
    }
    for (Item& item : items_) {
      item.vault_id = item.vault;
      if (vaults) {
        find_vault(item, vaults->root());
      }
      if (is_id(item.title)) {
        item.id = item.title;
      }
    }
  }

  void find_vault(Item& item, const Document::Node& vaults) {
    std::vector<std::string> ids;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < vaults.size(); ++i) {
      const std::string id = vaults[i]["id"].text();
      const std::string name = vaults[i]["name"].text();
      if (id == item.vault) {
        item.vault_id = id;
        return;
      }
      if (same_name(name, item.vault)) {
        ids.push_back(id);
      }
      names.push_back(name);
    }
    if (ids.size() == 1) {
      item.vault_id = ids.front();
    } else {
      item.failed = ids.empty()
                        ? Failed{Failure::kNotFound,
                                 "this Connect token sees no vault " + base::printable(item.vault),
                                 suggest(item.vault, names)}
                        : ambiguous("vault " + base::printable(item.vault), ids);
    }
  }

  // One that is not there by ID may be there by title.
  void read_by_id() {
    const std::vector<Item*> open = open_items(true);
    std::vector<HttpRequest> requests;
    for (const Item* item : open) {
      requests.push_back(
          get("/vaults/" + percent_encode(item->vault_id) + "/items/" + percent_encode(item->id)));
    }
    std::vector<JsonOutcome> outcomes = ask(requests);
    for (std::size_t i = 0; i < open.size(); ++i) {
      Item& item = *open[i];
      if (const auto* failed = std::get_if<Failed>(&outcomes[i])) {
        item.failed = *failed;
        continue;
      }
      auto& reply = std::get<JsonReply>(outcomes[i]);
      if (reply.status == 200 && reply.document && reply.document->root().is_object()) {
        item.document = std::move(reply.document);
      } else if (item.id == item.title && (reply.status == 404 || reply.status == 400)) {
        item.id.clear();
      } else {
        item.failed = explain(reply, "item " + base::printable(item.title));
      }
    }
  }

  void find_items() {
    const std::vector<Item*> open = open_items(false);
    std::vector<HttpRequest> requests;
    for (const Item* item : open) {
      // A reference's names hold neither quotes nor backslashes.
      requests.push_back(
          get(items_path(*item) + "?filter=" + percent_encode("title eq \"" + item->title + "\"")));
    }
    std::vector<JsonOutcome> outcomes = ask(requests);
    for (std::size_t i = 0; i < open.size(); ++i) {
      choose_item(*open[i], outcomes[i], true);
    }
  }

  void choose_item(Item& item, JsonOutcome& outcome, bool filtered) {
    if (const auto* failed = std::get_if<Failed>(&outcome)) {
      item.failed = *failed;
      return;
    }
    const auto& reply = std::get<JsonReply>(outcome);
    if (reply.status != 200 || !reply.document || !reply.document->root().is_array()) {
      item.failed = explain(reply, "the items of vault " + base::printable(item.vault));
      return;
    }
    const Document::Node list = reply.document->root();
    std::vector<std::string> ids;
    std::vector<std::string> titles;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i]["state"].text() != "ARCHIVED") {
        titles.push_back(list[i]["title"].text());
        if (same_name(titles.back(), item.title)) {
          ids.push_back(list[i]["id"].text());
        }
      }
    }
    if (ids.size() == 1) {
      item.id = ids.front();
    } else if (ids.size() > 1) {
      item.failed = ambiguous("item " + base::printable(item.title), ids);
    } else if (filtered) {
      // The server compares exactly; the whole list may hold it in other letters, or one near it.
      JsonOutcome all = ask_one(items_path(item));
      const auto* answer = std::get_if<JsonReply>(&all);
      if (answer != nullptr && answer->status == 200) {
        choose_item(item, all, false);
      } else {
        item.failed = no_item(item, {});
      }
    } else {
      item.failed = no_item(item, titles);
    }
  }

  Answer pick(const Reference& reference, const Item& item) {
    OpItemPart part = find_in_item(reference, item.document->root());
    if (auto* failed = std::get_if<Failed>(&part)) {
      return std::move(*failed);
    }
    const std::string version = item.document->root()["version"].text();
    if (auto* secret = std::get_if<Secret>(&part)) {
      return Value{std::move(*secret), version};
    }
    return read_file(item, std::get<OpFile>(part).id, version);
  }

  Answer read_file(const Item& item, const std::string& id, const std::string& version) {
    HttpResult result = http_.run_one(get(items_path(item) + "/" + percent_encode(item.id) +
                                          "/files/" + percent_encode(id) + "/content"),
                                      deadline_);
    if (const auto* failure = std::get_if<HttpFailure>(&result)) {
      return explain_http_failure(*failure, kAddress, kAuthority);
    }
    auto& response = std::get<HttpResponse>(result);
    if (response.status == 200) {
      return Value{std::move(response.body), version};
    }
    JsonReply reply;
    reply.status = response.status;
    reply.document = Document::parse(std::move(response.body));
    return explain(reply, "a file of item " + base::printable(item.title));
  }

  static Failed no_item(const Item& item, const std::vector<std::string>& titles) {
    return {Failure::kNotFound,
            "vault " + base::printable(item.vault) + " has no item " + base::printable(item.title),
            suggest(item.title, titles)};
  }

  static Failed ambiguous(const std::string& what, const std::vector<std::string>& ids) {
    std::string list;
    for (const std::string& id : ids) {
      list += (list.empty() ? "" : ", ") + base::printable(id);
    }
    return {Failure::kAmbiguous, "there is more than one " + what,
            "name it by its ID: " + list.substr(0, 300)};
  }

  std::string items_path(const Item& item) const {
    return "/vaults/" + percent_encode(item.vault_id) + "/items";
  }

  HttpRequest get(const std::string& path) const {
    HttpRequest request;
    request.url = base_ + path;
    request.secret_headers.push_back(secret_header("Authorization: Bearer ", token_));
    return request;
  }

  JsonOutcome ask_one(const std::string& path) {
    const HttpRequest request = get(path);
    return std::move(ask({&request, 1}).front());
  }

  std::vector<JsonOutcome> ask(std::span<const HttpRequest> requests) {
    return ask_json(http_, requests, deadline_, kAddress, kAuthority);
  }

  // An answer that is not what was asked for.
  Failed explain(const JsonReply& reply, const std::string& what) const {
    const std::string words = server_words(reply.root()["message"].text(), {token_});
    const std::string message = "1Password Connect answered " + std::to_string(reply.status) +
                                " for " + what + (words.empty() ? "" : ": " + words);
    switch (reply.status) {
      case 401:
        return {Failure::kAuthFailed, message, "renew OP_CONNECT_TOKEN: `op connect token create`"};
      case 403:
        return {Failure::kPermissionDenied, message,
                "grant the token the vault: `op connect vault grant`"};
      case 404:
        return {Failure::kNotFound, message, "look in the 1Password app"};
      case 429:
        return rate_limited(message, reply.retry_after());
      default:
        return {reply.status >= 500 ? Failure::kUnavailable : Failure::kInvalidResponse, message,
                "look at OP_CONNECT_HOST: it must name a 1Password Connect server"};
    }
  }

  void fail_all(const Failed& failed) {
    for (Item& item : items_) {
      item.failed = failed;
    }
  }

  Http& http_;
  std::string base_;
  std::string_view token_;
  Clock::time_point deadline_;
  std::vector<Item> items_;
};

}  // namespace

OpConnectBackend::OpConnectBackend(const Environment& environment) : environment_(environment) {}

bool OpConnectBackend::configured() const {
  return !environment_.get("OP_CONNECT_HOST").empty() &&
         !environment_.get("OP_CONNECT_TOKEN").empty();
}

std::vector<Answer> OpConnectBackend::resolve(const std::vector<Reference>& references,
                                              Clock::time_point deadline) {
  if (!http_) {
    http_ = std::make_unique<Http>(Http::Options(), environment_);
  }
  return Call(*http_, environment_.get("OP_CONNECT_HOST"), environment_.get("OP_CONNECT_TOKEN"),
              deadline)
      .resolve(references);
}

}  // namespace agentbox::resolver
