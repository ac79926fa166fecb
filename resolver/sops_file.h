// A SOPS file: its values in order, what is encrypted among them, and its own key's wrappings.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::resolver {

// The format of getsops/sops 3: "ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]" in place of each value,
// bound to its keys, and a MAC over all values in their order. Nothing that is secret is in it
// before it is decrypted. Immutable, so thread-safe.
class SopsFile {
 public:
  enum class Format { kYaml, kJson, kDotenv, kIni };
  // By the end of the name, as sops does: .yaml, .yml, .json, .env, .ini; nothing for another.
  static std::optional<Format> format_of(std::string_view path);

  // Throws base::Error (kConfiguration) for what is not such a file, or uses what is not understood
  // here: YAML's anchors and several documents, keys that are no text, groups of keys.
  static SopsFile parse(const std::string& text, Format format);

  // Armored age files, each of which holds the file's key.
  const std::vector<std::string>& age_keys() const { return age_keys_; }
  // Other key services that hold it ("kms", "pgp").
  const std::vector<std::string>& other_keys() const { return other_keys_; }
  const std::string& last_modified() const { return last_modified_; }

  struct Wanted {
    std::vector<std::string> path;  // keys, and indices of lists
    std::optional<Secret> value;    // set by decrypt(), or
    std::string problem;            // why there is none
    std::string near;               // the key next in spelling
  };
  // Decrypts all values, checks the MAC over them, and only then gives those that are wanted.
  // Throws base::Error (kConfiguration) if a value or the MAC was changed.
  void decrypt(const Secret& key, std::vector<Wanted>& wanted) const;

 private:
  using Tree = nlohmann::ordered_json;

  SopsFile() = default;
  void take_metadata(Format format);
  const Tree* find(Wanted& wanted) const;

  Tree tree_;  // without the metadata
  std::string mac_, last_modified_;
  std::string unencrypted_suffix_;  // of keys whose values are not encrypted
  bool mac_only_encrypted_ = false;
  std::vector<std::string> age_keys_, other_keys_;
};

}  // namespace agentbox::resolver
