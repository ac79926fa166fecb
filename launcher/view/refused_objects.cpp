#include "launcher/view/refused_objects.h"

#include <boost/uuid/detail/sha1.hpp>

#include "base/sha256.h"

namespace agentbox::view {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::string sha1_hex(std::string_view bytes) {
  boost::uuids::detail::sha1 hash;
  hash.process_bytes(bytes.data(), bytes.size());
  boost::uuids::detail::sha1::digest_type words;
  hash.get_digest(words);
  std::string hex;
  for (const unsigned word : words) {
    for (int shift = 28; shift >= 0; shift -= 4) {
      hex += kDigits[word >> shift & 15];
    }
  }
  return hex;
}

// git-hash-object(1).
std::string blob(std::string_view bytes) {
  std::string object = "blob " + std::to_string(bytes.size());
  object += '\0';
  object += bytes;
  return object;
}

// As gitattributes(5)'s `text` stores it.
std::string with_unix_lines(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\r' || i + 1 == bytes.size() || bytes[i + 1] != '\n') {
      text += bytes[i];
    }
  }
  return text;
}

}  // namespace

bool RefusedObjects::has(const Verdicts::State& state) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(state.identity);
  return found != states_.end() && found->second == state;
}

void RefusedObjects::add(const Verdicts::State& state, std::string shown) {
  std::vector<std::string> objects{blob(shown)};
  if (shown.find("\r\n") != shown.npos) {
    objects.push_back(blob(with_unix_lines(shown)));
  }
  std::vector<std::string> names;
  for (const std::string& object : objects) {
    names.push_back(sha1_hex(object));
    names.push_back(base::sha256_hex(object));
  }
  const std::lock_guard lock(mutex_);
  states_.insert_or_assign(state.identity, state);
  names_.insert(names.begin(), names.end());
}

bool RefusedObjects::refused(std::string_view path) const {
  const std::size_t at = path.rfind("objects/");
  if (at == path.npos || !(path.starts_with(".git/") || path.find("/.git/") != path.npos)) {
    return false;
  }
  std::string name;
  for (const char c : path.substr(at + 8)) {
    if (c != '/') {
      name += c;
    }
  }
  const std::lock_guard lock(mutex_);
  return names_.contains(name);
}

}  // namespace agentbox::view
