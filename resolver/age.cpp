#include "resolver/age.h"

#include <sodium.h>

#include <array>
#include <string>

namespace agentbox::resolver {

namespace {

constexpr std::string_view kBegin = "-----BEGIN AGE ENCRYPTED FILE-----";
constexpr std::string_view kEnd = "-----END AGE ENCRYPTED FILE-----";
constexpr std::string_view kVersion = "age-encryption.org/v1\n";
constexpr std::size_t kKey = 32, kFileKey = 16, kNonce = 16, kChunk = 64 * 1024;
constexpr std::size_t kTag = crypto_aead_chacha20poly1305_ietf_ABYTES;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes(Secret& secret) {
  return reinterpret_cast<unsigned char*>(secret.bytes().data());
}

std::optional<std::string> decode(std::string_view text, int variant) {
  std::string data(text.size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(data.data()), data.size(), text.data(),
                          text.size(), "\r\n", &size, &end, variant) != 0 ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  data.resize(size);
  return data;
}

// Bech32 (BIP 173) of 32 bytes under the prefix "AGE-SECRET-KEY-", without its limit of 90.
std::optional<Secret> decode_identity(std::string_view text) {
  static constexpr std::string_view kPrefix = "AGE-SECRET-KEY-1";
  static constexpr std::string_view kDigits = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
  static constexpr std::array<std::uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa,
                                                              0x3d4233dd, 0x2a1462b3};
  constexpr std::size_t kData = 52, kChecksum = 6;
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kData + kChecksum) {
    return std::nullopt;
  }
  std::uint32_t check = 1;
  const auto add = [&](std::uint32_t digit) {
    const std::uint32_t top = check >> 25;
    check = (check & 0x1ffffff) << 5 ^ digit;
    for (std::size_t i = 0; i < kGenerator.size(); ++i) {
      check ^= (top >> i & 1) != 0 ? kGenerator[i] : 0;
    }
  };
  const std::string_view name = kPrefix.substr(0, kPrefix.size() - 1);
  const auto lower = [](char c) { return static_cast<std::uint32_t>(c == '-' ? c : c | 0x20); };
  for (const char c : name) {
    add(lower(c) >> 5);
  }
  add(0);
  for (const char c : name) {
    add(lower(c) & 31);
  }
  Secret key(kKey);
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t used = 0;
  for (std::size_t i = kPrefix.size(); i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    add(static_cast<std::uint32_t>(digit));
    if (i < kPrefix.size() + kData) {
      bits = (bits << 5 | static_cast<std::uint32_t>(digit)) & 0xfff;
      held += 5;
      if (held >= 8) {
        held -= 8;
        key.bytes()[used++] = static_cast<char>(bits >> held);
      }
    }
  }
  return check == 1 && used == kKey ? std::optional<Secret>(std::move(key)) : std::nullopt;
}

// HKDF-SHA256 (RFC 5869), 32 bytes.
Secret derive(std::string_view input, std::string_view salt, std::string_view info) {
  crypto_auth_hmacsha256_state state;
  Secret extracted(kKey);
  ::crypto_auth_hmacsha256_init(&state, bytes(salt), salt.size());
  ::crypto_auth_hmacsha256_update(&state, bytes(input), input.size());
  ::crypto_auth_hmacsha256_final(&state, bytes(extracted));
  Secret key(kKey);
  constexpr unsigned char kFirst = 1;
  ::crypto_auth_hmacsha256_init(&state, bytes(extracted.reveal()), extracted.size());
  ::crypto_auth_hmacsha256_update(&state, bytes(info), info.size());
  ::crypto_auth_hmacsha256_update(&state, &kFirst, 1);
  ::crypto_auth_hmacsha256_final(&state, bytes(key));
  ::sodium_memzero(&state, sizeof state);
  return key;
}

std::optional<Secret> open_box(const Secret& key, std::string_view nonce, std::string_view box) {
  if (box.size() < kTag) {
    return std::nullopt;
  }
  Secret plain(box.size() - kTag);
  if (::crypto_aead_chacha20poly1305_ietf_decrypt(bytes(plain), nullptr, nullptr, bytes(box),
                                                  box.size(), nullptr, 0, bytes(nonce),
                                                  bytes(key.reveal())) != 0) {
    return std::nullopt;
  }
  return plain;
}

std::optional<Secret> unwrap(const std::string& share, std::string_view body,
                             const Secret& identity) {
  Secret shared(kKey);
  std::string own(kKey, '\0');
  auto* own_bytes = reinterpret_cast<unsigned char*>(own.data());
  if (share.size() != kKey || body.size() != kFileKey + kTag ||
      ::crypto_scalarmult_base(own_bytes, bytes(identity.reveal())) != 0 ||
      ::crypto_scalarmult(bytes(shared), bytes(identity.reveal()), bytes(share)) != 0) {
    return std::nullopt;  // the latter fails for a shared secret of zeros
  }
  const Secret key = derive(shared.reveal(), share + own, "age-encryption.org/v1/X25519");
  return open_box(key, std::string(12, '\0'), body);
}

// One line, without its end; nothing if there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

struct Header {
  std::vector<std::pair<std::string, std::string>> stanzas;  // of X25519: share, body
  std::string_view authenticated;
  std::string mac;
};

// Takes the header off the front of `text`.
std::optional<Header> take_header(std::string_view& text) {
  constexpr std::size_t kFullLine = 64;
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  const std::string_view whole = text;
  if (!text.starts_with(kVersion)) {
    return std::nullopt;
  }
  text.remove_prefix(kVersion.size());
  Header header;
  while (const std::optional<std::string_view> line = take_line(text)) {
    if (line->starts_with("--- ")) {
      header.authenticated =
          whole.substr(0, static_cast<std::size_t>(line->data() - whole.data()) + 3);
      const std::optional<std::string> mac = decode(line->substr(4), kVariant);
      header.mac = mac.value_or("");
      return header.mac.size() == kKey ? std::optional<Header>(std::move(header)) : std::nullopt;
    }
    if (!line->starts_with("-> ")) {
      return std::nullopt;
    }
    std::string body;
    for (std::optional<std::string_view> part;;) {
      part = take_line(text);
      if (!part || part->size() > kFullLine) {
        return std::nullopt;
      }
      body += *part;
      if (part->size() < kFullLine) {
        break;
      }
    }
    constexpr std::string_view kKind = "-> X25519 ";
    if (line->starts_with(kKind)) {
      const std::optional<std::string> share = decode(line->substr(kKind.size()), kVariant);
      const std::optional<std::string> wrapped = decode(body, kVariant);
      if (!share || !wrapped) {
        return std::nullopt;
      }
      header.stanzas.emplace_back(*share, *wrapped);
    }
  }
  return std::nullopt;
}

std::optional<Secret> open_payload(const Secret& file_key, const Header& header,
                                   std::string_view payload) {
  const Secret mac_key = derive(file_key.reveal(), "", "header");
  if (::crypto_auth_hmacsha256_verify(bytes(header.mac), bytes(header.authenticated),
                                      header.authenticated.size(), bytes(mac_key.reveal())) != 0 ||
      payload.size() < kNonce || payload.size() > kNonce + kChunk + kTag) {
    return std::nullopt;
  }
  const Secret key = derive(file_key.reveal(), payload.substr(0, kNonce), "payload");
  std::string nonce(12, '\0');
  nonce.back() = 1;  // the first chunk, and the last
  return open_box(key, nonce, payload.substr(kNonce));
}

}  // namespace

std::vector<Secret> read_age_identities(std::string_view text) {
  std::vector<Secret> identities;
  while (!text.empty()) {
    const std::size_t start = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    text.remove_prefix(start);
    const std::size_t end =
        std::min(text.find_first_of(text.starts_with('#') ? "\n" : " \t\r\n"), text.size());
    if (std::optional<Secret> identity = decode_identity(text.substr(0, end))) {
      identities.push_back(std::move(*identity));
    }
    text.remove_prefix(end);
  }
  return identities;
}

std::optional<Secret> open_age(std::string_view armored, const std::vector<Secret>& identities) {
  const std::size_t begin = armored.find(kBegin);
  const std::size_t end = armored.find(kEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return std::nullopt;
  }
  const std::size_t from = begin + kBegin.size();
  const std::optional<std::string> file =
      decode(armored.substr(from, end - from), sodium_base64_VARIANT_ORIGINAL);
  if (!file) {
    return std::nullopt;
  }
  std::string_view text = *file;
  const std::optional<Header> header = take_header(text);
  if (!header) {
    return std::nullopt;
  }
  for (const Secret& identity : identities) {
    for (const auto& [share, body] : header->stanzas) {
      if (const std::optional<Secret> key = unwrap(share, body, identity)) {
        return open_payload(*key, *header, text);
      }
    }
  }
  return std::nullopt;
}

}  // namespace agentbox::resolver
