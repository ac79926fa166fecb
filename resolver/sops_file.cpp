#include "resolver/sops_file.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/nearest.h"
#include "resolver/aes_gcm.h"
#include "resolver/sops_text.h"

namespace agentbox::resolver {

namespace {

using Tree = nlohmann::ordered_json;
using base::Error;
using base::Status;

// What the MAC begins with where it covers encrypted values alone.
constexpr std::array<unsigned char, 32> kOnlyEncrypted = {
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69};
constexpr std::string_view kServices[] = {"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp"};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Status::kConfiguration, what, "look at it with `sops`");
}

[[noreturn]] void changed(const std::string& what) {
  throw Error(Status::kConfiguration, what + ": the file was changed without its key",
              "put it back from version control, then find out who changed it");
}

std::string text_of(const Tree& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<std::string> decode(std::string_view text) {
  std::string data(text.size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(data.data()), data.size(), text.data(),
                          text.size(), nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  data.resize(size);
  return data;
}

bool is_encrypted(const Tree& leaf) {
  return leaf.is_string() && leaf.get_ref<const std::string&>().starts_with("ENC[");
}

// Neither the tag nor the MAC binds the type; what sops itself could not read as that type is
// refused.
bool is_of_type(std::string_view text, std::string_view type) {
  const char* end = text.data() + text.size();
  if (type == "int") {
    std::int64_t whole = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, whole);
    return error == std::errc() && stop == end;
  }
  if (type == "float") {
    double real = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, real);
    return error == std::errc() && stop == end;
  }
  if (type == "bool") {
    return text == "True" || text == "False" || text == "true" || text == "false";
  }
  return type == "str" || type == "bytes";
}

Secret open_value(std::string_view text, const Secret& key, const std::string& associated,
                  const std::string& name) {
  constexpr std::string_view kBegin = "ENC[AES256_GCM,";
  std::map<std::string_view, std::string> parts;
  bool good = text.starts_with(kBegin) && text.ends_with(']');
  if (good) {
    text = text.substr(kBegin.size(), text.size() - kBegin.size() - 1);
    while (!text.empty()) {
      const std::string_view part = text.substr(0, text.find(','));
      text.remove_prefix(std::min(part.size() + 1, text.size()));
      const std::size_t colon = std::min(part.find(':'), part.size() - 1);
      const std::string_view value = part.substr(colon + 1);
      const std::optional<std::string> data =
          part.substr(0, colon) == "type" ? std::string(value) : decode(value);
      good = good && data;
      parts[part.substr(0, colon)] = data.value_or("");
    }
  }
  std::optional<Secret> plain;
  if (good) {
    plain = open_aes_gcm(key, parts["iv"], parts["data"], parts["tag"], associated);
  }
  if (!plain) {
    changed("the value of " + name + " does not decrypt");
  }
  if (!is_of_type(plain->reveal(), parts["type"])) {
    changed("the value of " + name + " is not of the type that stands with it");
  }
  return std::move(*plain);
}

// What sops puts into the MAC for a value that is not encrypted.
std::string plain_bytes(const Tree& leaf) {
  if (leaf.is_string()) {
    return leaf.get<std::string>();
  }
  if (leaf.is_boolean()) {
    return leaf.get<bool>() ? "True" : "False";
  }
  if (leaf.is_number_float()) {
    std::array<char, 400> text;
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(),
                                            leaf.get<double>(), std::chars_format::fixed);
    return error == std::errc() ? std::string(text.data(), end) : "";
  }
  return leaf.dump();
}

// Every value in order, with what its keys bind it to. A list's items share the list's.
template <typename Visit>
void each_leaf(const Tree& tree, const std::string& associated, const std::string& name,
               const Visit& visit) {
  if (tree.is_object()) {
    for (const auto& [key, child] : tree.items()) {
      each_leaf(child, associated + key + ":", name + (name.empty() ? "" : ".") + key, visit);
    }
  } else if (tree.is_array()) {
    for (const Tree& child : tree) {
      each_leaf(child, associated, name, visit);
    }
  } else if (!tree.is_null()) {
    visit(tree, associated, name);
  }
}

// Whether `suffix` ends one of the keys ("a:b:") that lead to a value.
bool has_suffix(const std::string& associated, const std::string& suffix) {
  return associated.find(suffix + ":") != std::string::npos;
}

bool truth(const Tree& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && (*found == Tree(true) || *found == Tree("true"));
}

}  // namespace

std::optional<SopsFile::Format> SopsFile::format_of(std::string_view path) {
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    return Format::kYaml;
  }
  if (path.ends_with(".json")) {
    return Format::kJson;
  }
  if (path.ends_with(".env")) {
    return Format::kDotenv;
  }
  return path.ends_with(".ini") ? std::optional(Format::kIni) : std::nullopt;
}

SopsFile SopsFile::parse(const std::string& text, Format format) {
  SopsFile file;
  switch (format) {
    case Format::kYaml:
      file.tree_ = read_sops_yaml(text);
      break;
    case Format::kJson:
      file.tree_ = read_sops_json(text);
      break;
    case Format::kDotenv:
      file.tree_ = read_sops_dotenv(text);
      break;
    case Format::kIni:
      file.tree_ = read_sops_ini(text);
  }
  file.take_metadata(format);
  return file;
}

void SopsFile::take_metadata(Format format) {
  Tree metadata = Tree::object();
  const bool flat = format == Format::kDotenv || format == Format::kIni;
  if (format == Format::kDotenv) {
    constexpr std::string_view kPrefix = "sops_";
    Tree rest = Tree::object();
    for (const auto& [key, value] : tree_.items()) {
      if (key.starts_with(kPrefix)) {
        metadata[key.substr(kPrefix.size())] = value;
      } else {
        rest[key] = value;
      }
    }
    tree_ = std::move(rest);
  } else if (tree_.is_object() && tree_.contains("sops") && tree_["sops"].is_object()) {
    metadata = tree_["sops"];
    tree_.erase("sops");
  }
  mac_ = text_of(metadata, "mac");
  last_modified_ = text_of(metadata, "lastmodified");
  if (mac_.empty() || last_modified_.empty()) {
    refuse("it is not a SOPS file: it has no sops.mac");
  }
  unencrypted_suffix_ = text_of(metadata, "unencrypted_suffix");
  mac_only_encrypted_ = truth(metadata, "mac_only_encrypted");
  for (const auto& [key, value] : metadata.items()) {
    if (key.starts_with("key_groups") || key == "shamir_threshold") {
      if (value.is_array() ? !value.empty() : value != Tree(0) && value != Tree("0")) {
        refuse("its key is split over several groups");
      }
    }
    if (flat && key.starts_with("age__list_") && key.ends_with("__map_enc") && value.is_string()) {
      std::string armored = value.get<std::string>();
      for (std::size_t at = armored.find("\\n"); at != std::string::npos;
           at = armored.find("\\n", at)) {
        armored.replace(at, 2, "\n");
      }
      age_keys_.push_back(std::move(armored));
    }
    if (!flat && key == "age" && value.is_array()) {
      for (const Tree& entry : value) {
        age_keys_.push_back(entry.is_object() ? text_of(entry, "enc") : "");
      }
    }
    for (const std::string_view service : kServices) {
      const bool listed = flat ? key.starts_with(std::string(service) + "__list_0__")
                               : key == service && value.is_array() && !value.empty();
      if (listed &&
          std::find(other_keys_.begin(), other_keys_.end(), service) == other_keys_.end()) {
        other_keys_.emplace_back(service);
      }
    }
  }
}

const Tree* SopsFile::find(Wanted& wanted) const {
  const Tree* at = &tree_;
  for (const std::string& part : wanted.path) {
    std::vector<std::string> names;
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    if (at->is_object() && at->contains(part)) {
      at = &(*at)[part];
    } else if (at->is_array() && error == std::errc() && end == part.data() + part.size() &&
               index < at->size()) {
      at = &(*at)[index];
    } else {
      for (const auto& [name, child] : at->items()) {
        names.push_back(name);
      }
      wanted.problem = "it has no key \"" + part + "\"";
      wanted.near = at->is_object() ? base::nearest(part, names) : "";
      return nullptr;
    }
  }
  if (at->is_object() || at->is_array() || at->is_null()) {
    wanted.problem = at->is_null() ? "the value is null" : "there is no value but a map or a list";
    return nullptr;
  }
  if (mac_only_encrypted_ && !is_encrypted(*at)) {
    wanted.problem = "the value is neither encrypted nor covered by the MAC";
    return nullptr;
  }
  return at;
}

void SopsFile::decrypt(const Secret& key, std::vector<Wanted>& wanted) const {
  std::vector<const Tree*> places;
  for (Wanted& one : wanted) {
    places.push_back(find(one));
  }
  std::vector<std::optional<Secret>> values(wanted.size());
  crypto_hash_sha512_state state;
  ::crypto_hash_sha512_init(&state);
  if (mac_only_encrypted_) {
    ::crypto_hash_sha512_update(&state, kOnlyEncrypted.data(), kOnlyEncrypted.size());
  }
  each_leaf(
      tree_, "", "", [&](const Tree& leaf, const std::string& associated, const std::string& name) {
        const bool encrypted = is_encrypted(leaf);
        // sops goes by the rule, and an empty text is never encrypted.
        if (!unencrypted_suffix_.empty() && leaf != Tree("") &&
            encrypted == has_suffix(associated, unencrypted_suffix_)) {
          changed("whether " + name + " is encrypted is not as unencrypted_suffix says");
        }
        const Secret plain =
            encrypted ? open_value(leaf.get_ref<const std::string&>(), key, associated, name)
                      : Secret(plain_bytes(leaf));
        if (encrypted || !mac_only_encrypted_) {
          ::crypto_hash_sha512_update(
              &state, reinterpret_cast<const unsigned char*>(plain.reveal().data()), plain.size());
        }
        for (std::size_t i = 0; i < places.size(); ++i) {
          if (places[i] == &leaf) {
            values[i] = plain.clone();
          }
        }
      });
  std::array<unsigned char, crypto_hash_sha512_BYTES> digest;
  ::crypto_hash_sha512_final(&state, digest.data());
  ::sodium_memzero(&state, sizeof state);
  std::array<char, 2 * crypto_hash_sha512_BYTES + 1> computed;
  ::sodium_bin2hex(computed.data(), computed.size(), digest.data(), digest.size());
  std::transform(computed.begin(), computed.end(), computed.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (!equal(open_value(mac_, key, last_modified_, "sops.mac"),
             Secret(std::string_view(computed.data())))) {
    changed("the MAC is not that of the values");
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i].value = std::move(values[i]);
  }
}

}  // namespace agentbox::resolver
