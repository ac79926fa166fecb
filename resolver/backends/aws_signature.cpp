#include "resolver/backends/aws_signature.h"

#include <sodium.h>

#include <algorithm>
#include <map>

#include "base/encode.h"
#include "base/sha256.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kDigest = crypto_auth_hmacsha256_BYTES;

// HMAC-SHA256 with a key of any length, in locked memory: all of these are keys but the last.
Secret hmac(std::string_view key, std::string_view text) {
  Secret digest(kDigest);
  crypto_auth_hmacsha256_state state;
  const auto bytes = [](std::string_view view) {
    return reinterpret_cast<const unsigned char*>(view.data());
  };
  ::crypto_auth_hmacsha256_init(&state, bytes(key), key.size());
  ::crypto_auth_hmacsha256_update(&state, bytes(text), text.size());
  ::crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(digest.bytes().data()));
  ::sodium_memzero(&state, sizeof state);
  return digest;
}

// "host[:port]" and the path, as they go on the wire.
std::pair<std::string, std::string> split_url(const std::string& url) {
  const std::size_t start = url.find("://") + 3;
  const std::size_t slash = std::min(url.find('/', start), url.size());
  std::string host = url.substr(start, slash - start);
  const std::string usual = url.starts_with("https") ? ":443" : ":80";
  if (host.ends_with(usual)) {
    host.resize(host.size() - usual.size());
  }
  return {host, slash == url.size() ? "/" : url.substr(slash)};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

}  // namespace

void sign_for_aws(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
                  std::string_view service, const std::string& date) {
  const auto [host, path] = split_url(request.url);
  request.headers.push_back("X-Amz-Date: " + date);
  std::map<std::string, std::string> plain = {{"host", host}};
  for (const std::string& header : request.headers) {
    const std::size_t colon = header.find(": ");
    plain[lower(header.substr(0, colon))] = header.substr(colon + 2);
  }
  const bool temporary = !credentials.session_token.empty();
  if (temporary) {
    plain["x-amz-security-token"];  // in its place; its value goes into locked memory alone
    request.secret_headers.push_back(
        secret_header("X-Amz-Security-Token: ", credentials.session_token.reveal()));
  }

  SecretBuilder canonical;
  canonical.append(request.method + "\n" + path + "\n\n");
  std::string signed_headers;
  for (const auto& [name, value] : plain) {
    signed_headers += (signed_headers.empty() ? "" : ";") + name;
    canonical.append(name + ":");
    canonical.append(name == "x-amz-security-token" ? credentials.session_token.reveal()
                                                    : std::string_view(value));
    canonical.append("\n");
  }
  canonical.append("\n" + signed_headers + "\n" + base::sha256_hex(request.body.reveal()));

  const std::string day = date.substr(0, 8);
  const std::string scope =
      day + "/" + std::string(region) + "/" + std::string(service) + "/aws4_request";
  const std::string text = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" +
                           base::sha256_hex(canonical.take().reveal());
  SecretBuilder first;
  first.append("AWS4");
  first.append(credentials.key.reveal());
  Secret key = hmac(first.take().reveal(), day);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) {
    key = hmac(key.reveal(), part);
  }
  request.headers.push_back("Authorization: AWS4-HMAC-SHA256 Credential=" + credentials.key_id +
                            "/" + scope + ", SignedHeaders=" + signed_headers +
                            ", Signature=" + base::hex(hmac(key.reveal(), text).reveal()));
}

}  // namespace agentbox::resolver
