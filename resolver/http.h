// HTTPS requests to secret managers, with answers in locked memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/environment.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

struct HttpRequest {
  std::string method = "GET";
  std::string url;                     // absolute; no secret in it: it stands in messages
  std::vector<std::string> headers;    // "Name: value"
  std::vector<Secret> secret_headers;  // the same, for credentials
  Secret body;
  // Whether it may be sent again after the server may have acted on it. Not for what uses something
  // up; such a request is repeated only where it was refused (429, 503) or never arrived.
  bool repeatable = true;
  int attempts = 4;
  std::chrono::milliseconds attempt_limit{20'000};
  // http:// to a host that is not this machine: the cloud's metadata services on their link-local
  // addresses. Nothing else may ask for it.
  bool link_local = false;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; the last of a name
  Secret body;
};

// Why there is no response. No secret in the text.
struct HttpFailure {
  enum class Kind {
    kUnreachable,  // no such host, connection refused or lost
    kUntrusted,    // TLS: the certificate is not that host's, or nobody vouches for it
    kTimeout,
    kTooLarge,
    kRedirected,  // to another origin: credentials do not follow
    kRefused,     // http:// without TLS, or not a URL
    kCancelled,
  };
  Kind kind = Kind::kUnreachable;
  std::string message;
};

using HttpResult = std::variant<HttpResponse, HttpFailure>;

// A pool of connections. Certificates are always verified. Plain http:// goes to this machine only
// (localhost, 127.0.0.0/8, ::1). Redirects are followed within the origin, three at most. 429, 5xx
// (not 501 and 505) and connections that fail are tried again after 0.2, 0.4, 0.8 s with jitter or
// what Retry-After asks for, as far as the deadline allows; other statuses are answers. libcurl's
// own copies of headers and bodies are wiped, not locked (curl_library.h).
class Http {
 public:
  struct Options {
    std::string ca_file;       // PEM bundle in place of the system's; empty: the system's
    std::string ca_directory;  // hashed directory (openssl-rehash(1)), likewise
    std::string client_certificate, client_key;  // PEM files for mutual TLS
    std::size_t body_limit = 1u << 20;           // bytes of a response
  };

  // The user's SSL_CERT_FILE, SSL_CERT_DIR where `options` names none, and HTTPS_PROXY, ALL_PROXY
  // and NO_PROXY (or in lower case) are taken from `environment`; it is not asked later.
  Http(Options options, const Environment& environment);
  ~Http();

  // All at once, 32 connections a host at most; one result each, in order. Blocks up to the
  // deadline; `stop` ends it early. Thread-safe: calls wait for each other. Throws base::Error if
  // libcurl cannot be had or memory cannot be locked.
  std::vector<HttpResult> run(std::span<const HttpRequest> requests,
                              std::chrono::steady_clock::time_point deadline,
                              const std::stop_token& stop = {});
  HttpResult run_one(const HttpRequest& request, std::chrono::steady_clock::time_point deadline,
                     const std::stop_token& stop = {});

 private:
  Options options_;
  std::string proxy_, no_proxy_;
  std::mutex mutex_;
  void* multi_ = nullptr;  // CURLM, made at the first call
};

// "Name: " and the secret value as one header. Throws base::Error (kConfiguration) if the value
// holds a line break or another control character, which would be a header of its own.
Secret secret_header(std::string_view name_and_colon, std::string_view value);

// RFC 3986 unreserved characters and those of `plain` stay, all others become %XX: for one path
// segment or one value, or with "/" for a whole path.
std::string percent_encode(std::string_view text, std::string_view plain = {});

}  // namespace agentbox::resolver
