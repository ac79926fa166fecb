#include "resolver/backends/keyring.h"

#include <string.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "resolver/bus_library.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kService = "org.freedesktop.secrets";
constexpr const char* kRoot = "/org/freedesktop/secrets";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
constexpr const char* kServiceInterface = "org.freedesktop.Secret.Service";
constexpr const char* kCollectionInterface = "org.freedesktop.Secret.Collection";
constexpr const char* kItemInterface = "org.freedesktop.Secret.Item";
constexpr const char* kForm =
    "the form is keyring://collection/item or keyring://collection?name=value";
constexpr const char* kUnlock =
    "unlock it in the desktop's \"Passwords and Keys\", or without a desktop by "
    "`gnome-keyring-daemon --unlock`, which reads its password from standard input";

// Thrown inside this file alone.
struct Refused {
  Failed failed;
};

[[noreturn]] void refuse(Failure failure, std::string message, std::string hint) {
  throw Refused{{failure, std::move(message), std::move(hint)}};
}

struct Target {
  std::string collection;
  std::string label;  // or empty
  Pairs attributes;
};

Target target_of(const Reference& reference) {
  Target target;
  target.collection = reference.path.front();
  for (std::size_t i = 1; i < reference.path.size(); ++i) {
    target.label += (i > 1 ? "/" : "") + reference.path[i];
  }
  std::string_view query = reference.query;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      refuse(Failure::kInvalidReference, "an attribute without \"name=value\"", kForm);
    }
    try {
      target.attributes.emplace_back(percent_decode(reference.text, pair.substr(0, equals)),
                                     percent_decode(reference.text, pair.substr(equals + 1)));
    } catch (const base::Error& error) {
      refuse(Failure::kInvalidReference, error.what(), error.hint());
    }
  }
  if (target.collection.empty() || (target.label.empty() && target.attributes.empty()) ||
      !reference.fragment.empty()) {
    refuse(Failure::kInvalidReference, "it names no item of a collection", kForm);
  }
  const auto utf8 = [](const std::string& text) { return base::is_utf8(text); };
  if (!std::all_of(target.attributes.begin(), target.attributes.end(),
                   [&](const auto& pair) { return utf8(pair.first) && utf8(pair.second); }) ||
      !utf8(target.collection)) {
    refuse(Failure::kInvalidReference, "it holds what is not UTF-8", kForm);  // D-Bus has no other
  }
  return target;
}

Failed failure_of(const char* name, const char* text, int error) {
  const std::string_view kind = name != nullptr ? name : "";
  const std::string said = base::printable(text != nullptr ? text : "");
  if (kind == "org.freedesktop.Secret.Error.IsLocked") {
    return {Failure::kAuthRequired, "the item is locked", kUnlock};
  }
  if (kind.ends_with(".ServiceUnknown") || kind.ends_with(".NameHasNoOwner") ||
      kind.find(".Spawn.") != std::string_view::npos) {
    return {Failure::kUnavailable, "no Secret Service runs on the session bus: " + said,
            "install one (`apt install gnome-keyring`) and log in again, or turn on KeePassXC's"};
  }
  if (kind.ends_with(".NoReply") || kind.ends_with(".Timeout") || error == -ETIMEDOUT) {
    return {Failure::kTimeout, "the Secret Service did not answer in time",
            "look for a window in which it asks, then start again"};
  }
  if (kind.ends_with(".AccessDenied") || error == -EACCES || error == -EPERM) {
    return {Failure::kPermissionDenied, "the Secret Service denied it: " + said,
            "allow it in the keyring program's settings"};
  }
  return {Failure::kUnavailable,
          "the Secret Service failed: " + (said.empty() ? std::string(::strerror(-error)) : said),
          "try it yourself: `secret-tool search --all name value`"};
}

class Message {
 public:
  Message(const BusLibrary& library, sd_bus_message* message)
      : library_(&library), message_(message, library.unref) {}

  sd_bus_message* get() const { return message_.get(); }

  void append(char type, const void* value) const { check(library_->append(get(), type, value)); }
  void append(char type, const std::string& value) const { append(type, value.c_str()); }
  void open(char type, const char* contents) const { check(library_->open(get(), type, contents)); }
  void end() const { check(library_->end(get())); }

  // False at the end of the container that holds it.
  bool enter(char type, const char* contents) const {
    return check(library_->enter(get(), type, contents)) > 0;
  }
  void leave() const { check(library_->leave(get())); }
  void skip(const char* types) const { check(library_->skip(get(), types)); }
  std::optional<std::string> text(char type) const {
    const char* value = nullptr;
    if (check(library_->read(get(), type, &value)) == 0) {
      return std::nullopt;
    }
    return value;
  }
  std::uint64_t number() const {
    std::uint64_t value = 0;
    check(library_->read(get(), 't', &value));
    return value;
  }
  bool truth() const {
    int value = 0;
    check(library_->read(get(), 'b', &value));
    return value != 0;
  }
  // Moved out of the message: its own bytes are wiped.
  Secret secret() const {
    const void* bytes = nullptr;
    std::size_t size = 0;
    check(library_->read_array(get(), 'y', &bytes, &size));
    Secret secret(std::string_view(static_cast<const char*>(bytes), size));
    ::explicit_bzero(const_cast<void*>(bytes), size);
    return secret;
  }

 private:
  static int check(int result) {
    if (result < 0) {
      refuse(Failure::kInvalidResponse, "the Secret Service answered something odd",
             "see which version of it runs");
    }
    return result;
  }

  const BusLibrary* library_;
  std::unique_ptr<sd_bus_message, decltype(BusLibrary::unref)> message_;
};

struct Item {
  std::string path;
  std::string label;
  bool locked = false;
  std::uint64_t modified = 0;
};

class Connection {
 public:
  Connection(const Environment& environment, Clock::time_point deadline)
      : library_(bus_library()), bus_(nullptr, library_.close), deadline_(deadline) {
    std::string address(environment.get("DBUS_SESSION_BUS_ADDRESS"));
    if (address.empty() && !environment.get("XDG_RUNTIME_DIR").empty()) {
      address = "unix:path=" + std::string(environment.get("XDG_RUNTIME_DIR")) + "/bus";
    }
    // Other transports start programs of the address's choice.
    std::string_view rest = address;
    while (!rest.empty()) {
      if (!rest.starts_with("unix:")) {
        refuse(Failure::kUnavailable,
               "the session bus is not a socket: DBUS_SESSION_BUS_ADDRESS does not begin with "
               "unix:",
               "start agentbox from the desktop session");
      }
      rest.remove_prefix(std::min(rest.find(';'), rest.size() - 1) + 1);
    }
    sd_bus* bus = nullptr;
    int result = library_.create(&bus);
    bus_.reset(bus);
    result = result < 0 ? result : library_.set_bus_client(bus, 1);
    result = result < 0 || address.empty() ? result : library_.set_address(bus, address.c_str());
    result = result < 0 || address.empty() ? result : library_.start(bus);
    if (result < 0 || address.empty()) {
      refuse(Failure::kUnavailable,
             address.empty() ? "there is no session bus: DBUS_SESSION_BUS_ADDRESS and "
                               "XDG_RUNTIME_DIR are not set"
                             : "cannot reach the session bus at " + base::printable(address) +
                                   ": " + ::strerror(-result),
             "start agentbox from the desktop session, or under `dbus-run-session`");
    }
    open_session();
  }

  Answer look_up(const Target& target) {
    const std::string collection = find_collection(target.collection);
    const Message locked = get_property(collection, kCollectionInterface, "Locked");
    locked.enter('v', "b");
    if (locked.truth()) {
      return Failed{Failure::kAuthRequired,
                    "the collection " + base::printable(target.collection) + " is locked", kUnlock};
    }
    std::vector<Item> found;
    std::vector<std::string> labels;
    for (const std::string& path : paths_of(collection, target.attributes)) {
      Item item = describe(path);
      if (target.label.empty() || item.label == target.label) {
        found.push_back(std::move(item));
      } else {
        labels.push_back(item.label);
      }
    }
    if (found.empty()) {
      return nothing(target, labels);
    }
    if (found.size() > 1) {
      return several(target, found);
    }
    if (found[0].locked) {
      return Failed{Failure::kAuthRequired, "the item is locked", kUnlock};
    }
    return Value{secret_of(found[0].path), std::to_string(found[0].modified)};
  }

 private:
  Message new_call(const std::string& path, const char* interface, const char* member) const {
    sd_bus_message* message = nullptr;
    const int result =
        library_.new_call(bus_.get(), &message, kService, path.c_str(), interface, member);
    Message call(library_, message);
    if (result < 0) {
      throw Refused{failure_of(nullptr, nullptr, result)};
    }
    return call;
  }

  Message send(const Message& call) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) {
      throw Refused{failure_of(nullptr, nullptr, -ETIMEDOUT)};
    }
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int result =
        library_.call(bus_.get(), call.get(), static_cast<std::uint64_t>(left), &error, &reply);
    Message answer(library_, reply);
    if (result < 0) {
      const Failed failed = failure_of(error.name, error.message, result);
      library_.free_error(&error);
      throw Refused{failed};
    }
    return answer;
  }

  // "plain": the value is not encrypted for its way through the bus, which belongs to this user and
  // over which any of the user's processes may ask for it.
  void open_session() {
    const Message call = new_call(kRoot, kServiceInterface, "OpenSession");
    call.append('s', "plain");
    call.open('v', "s");
    call.append('s', "");
    call.end();
    const Message reply = send(call);
    reply.skip("v");
    session_ = reply.text('o').value_or("/");
  }

  Message get_property(const std::string& path, const char* interface, const char* name) const {
    const Message call = new_call(path, kProperties, "Get");
    call.append('s', interface);
    call.append('s', name);
    return send(call);
  }

  static std::vector<std::string> read_paths(const Message& reply) {
    std::vector<std::string> paths;
    reply.enter('a', "o");
    while (const std::optional<std::string> path = reply.text('o')) {
      paths.push_back(*path);
    }
    return paths;
  }

  std::string label_of(const std::string& collection) const {
    const Message reply = get_property(collection, kCollectionInterface, "Label");
    reply.enter('v', "s");
    return reply.text('s').value_or("");
  }

  std::string find_collection(const std::string& name) {
    const auto known = collections_.find(name);
    if (known != collections_.end()) {
      return known->second;
    }
    const Message call = new_call(kRoot, kServiceInterface, "ReadAlias");
    call.append('s', name);
    std::string path = send(call).text('o').value_or("/");
    if (path == "/") {
      path = find_by_label(name);
    }
    collections_[name] = path;
    return path;
  }

  std::string find_by_label(const std::string& name) const {
    const Message reply = get_property(kRoot, kServiceInterface, "Collections");
    reply.enter('v', "ao");
    std::vector<std::string> found;
    std::vector<std::string> names;
    for (const std::string& path : read_paths(reply)) {
      const std::string end = path.substr(path.rfind('/') + 1);
      const std::string label = label_of(path);
      if (label == name || end == name) {
        found.push_back(path);
      }
      names.insert(names.end(), {label, end});
    }
    if (found.size() > 1) {
      std::string ends;
      for (const std::string& path : found) {
        ends += (ends.empty() ? "" : ", ") + base::printable(path.substr(path.rfind('/') + 1));
      }
      refuse(Failure::kAmbiguous, "more than one collection is called " + base::printable(name),
             "name it by the end of its path: " + ends);
    }
    if (found.empty()) {
      const std::string near = base::nearest(name, names);
      refuse(Failure::kNotFound, "there is no collection " + base::printable(name),
             near.empty() ? "keyring://login/… is the one that is unlocked at login"
                          : "did you mean " + base::printable(near) + "?");
    }
    return found[0];
  }

  std::vector<std::string> paths_of(const std::string& collection, const Pairs& attributes) const {
    if (attributes.empty()) {
      const Message reply = get_property(collection, kCollectionInterface, "Items");
      reply.enter('v', "ao");
      return read_paths(reply);
    }
    const Message call = new_call(collection, kCollectionInterface, "SearchItems");
    call.open('a', "{ss}");
    for (const auto& [name, value] : attributes) {
      call.open('e', "ss");
      call.append('s', name);
      call.append('s', value);
      call.end();
    }
    call.end();
    return read_paths(send(call));
  }

  Item describe(const std::string& path) const {
    Item item;
    item.path = path;
    const Message call = new_call(path, kProperties, "GetAll");
    call.append('s', kItemInterface);
    const Message reply = send(call);
    reply.enter('a', "{sv}");
    while (reply.enter('e', "sv")) {
      const std::string name = reply.text('s').value_or("");
      if (name == "Label") {
        reply.enter('v', "s");
        item.label = reply.text('s').value_or("");
        reply.leave();
      } else if (name == "Locked") {
        reply.enter('v', "b");
        item.locked = reply.truth();
        reply.leave();
      } else if (name == "Modified") {
        reply.enter('v', "t");
        item.modified = reply.number();
        reply.leave();
      } else {
        reply.skip("v");
      }
      reply.leave();
    }
    return item;
  }

  Secret secret_of(const std::string& item) const {
    const Message call = new_call(item, kItemInterface, "GetSecret");
    call.append('o', session_);
    const Message reply = send(call);
    reply.enter('r', "oayays");
    reply.skip("oay");
    return reply.secret();
  }

  static Failed nothing(const Target& target, const std::vector<std::string>& labels) {
    const std::string near = base::nearest(target.label, labels);
    return {Failure::kNotFound,
            "the collection " + base::printable(target.collection) + " has no item " +
                (target.label.empty() ? "" : "\"" + base::printable(target.label) + "\"") +
                (target.attributes.empty() ? ""
                 : target.label.empty()    ? "with these attributes"
                                           : " with these attributes"),
            near.empty() ? "see what is there: `secret-tool search --all NAME VALUE`, or the "
                           "desktop's \"Passwords and Keys\""
                         : "did you mean \"" + base::printable(near) + "\"?"};
  }

  static Failed several(const Target& target, const std::vector<Item>& found) {
    return {Failure::kAmbiguous,
            std::to_string(found.size()) + " items of " + base::printable(target.collection) +
                " answer to it",
            target.attributes.empty()
                ? "add attributes: ?service=…&account=… (`secret-tool search` shows them)"
                : "add more attributes, or the label"};
  }

  const BusLibrary& library_;
  std::unique_ptr<sd_bus, decltype(BusLibrary::close)> bus_;
  Clock::time_point deadline_;
  std::string session_;
  std::map<std::string, std::string> collections_;  // paths by name
};

}  // namespace

std::vector<Answer> KeyringBackend::resolve(const std::vector<Reference>& references,
                                            Clock::time_point deadline) {
  std::vector<Answer> answers;
  std::unique_ptr<Connection> connection;
  std::optional<Failed> unreachable;
  for (const Reference& reference : references) {
    try {
      const Target target = target_of(reference);
      if (unreachable) {
        answers.emplace_back(*unreachable);
        continue;
      }
      if (connection == nullptr) {
        try {
          connection = std::make_unique<Connection>(environment_, deadline);
        } catch (const Refused& refused) {
          unreachable = refused.failed;
          throw;
        }
      }
      answers.push_back(connection->look_up(target));
    } catch (const Refused& refused) {
      answers.emplace_back(refused.failed);
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
