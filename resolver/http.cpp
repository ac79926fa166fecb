#include "resolver/http.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "resolver/curl_library.h"
#include "resolver/origin.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Kind = HttpFailure::Kind;

constexpr int kMostRedirects = 3;
constexpr long kConnectLimit = 5'000;  // milliseconds
constexpr long kConnectionsPerHost = 32;
constexpr std::size_t kMostHeaders = 64;  // kept ones; a server's thousands are its own affair
constexpr milliseconds kFirstDelay{200};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

std::optional<HttpFailure> unfit(const HttpRequest& request) {
  const std::string origin = origin_of(request.url);
  const bool control = std::any_of(request.url.begin(), request.url.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
  });
  if (control || !(origin.starts_with("https://") || origin.starts_with("http://"))) {
    return HttpFailure{Kind::kRefused, "not an https:// URL: " + base::printable(request.url)};
  }
  if (origin.starts_with("http://") && !request.link_local && !is_this_machine(origin)) {
    return HttpFailure{Kind::kRefused, base::printable(origin) +
                                           " is not protected by TLS, and credentials go there"};
  }
  return std::nullopt;
}

// Half to all of the delay, so that sessions that were refused together do not come back together.
milliseconds with_jitter(milliseconds delay) {
  unsigned random = 0;
  base::check(::getrandom(&random, sizeof random, 0), "getrandom");
  const long half = static_cast<long>(delay.count()) / 2;
  return milliseconds(half + static_cast<long>(random % static_cast<unsigned>(half + 1)));
}

bool is_worth_repeating(int status, bool repeatable) {
  if (status == 429 || status == 503) {
    return true;
  }
  return repeatable && status >= 500 && status != 501 && status != 505;
}

// What was never sent, and what a repeatable request may meet again.
bool is_worth_repeating(CURLcode code, bool repeatable) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return true;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2_STREAM:
      return repeatable;
    default:
      return false;
  }
}

Kind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Kind::kTimeout;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      return Kind::kUntrusted;
    default:
      return Kind::kUnreachable;
  }
}

// One request on its way, through all its attempts.
class Transfer {
 public:
  Transfer(const HttpRequest& request, const Http::Options& options, const std::string& proxy,
           const std::string& no_proxy)
      : curl_(curl_library()), request_(request), options_(options), url_(request.url) {
    handle_ = curl_.easy_init();
    if (handle_ == nullptr) {
      throw base::Error(base::Status::kFailed, "libcurl has no memory for a request");
    }
    try {
      prepare(proxy, no_proxy);
    } catch (...) {
      release();
      throw;
    }
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() { release(); }

  CURL* handle() const { return handle_; }
  bool running() const { return running_; }
  bool done() const { return result_.has_value(); }
  bool waiting() const { return !running_ && !done(); }
  Clock::time_point not_before() const { return not_before_; }
  HttpResult take() { return std::move(*result_); }

  void begin(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    const long limit = std::max<long>(1, std::min(left, request_.attempt_limit).count());
    set(CURLOPT_TIMEOUT_MS, limit);
    set(CURLOPT_CONNECTTIMEOUT_MS, std::min(limit, kConnectLimit));
    set(CURLOPT_URL, url_.c_str());
    body_ = SecretBuilder();
    headers_.clear();
    too_large_ = false;
    running_ = true;
    ++attempt_;
  }

  void fail(Kind kind, std::string message) {
    running_ = false;
    result_ = HttpFailure{kind, std::move(message)};
  }

  // The attempt has ended: a result, or another attempt later.
  void end(CURLcode code, Clock::time_point deadline) {
    running_ = false;
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
    if (too_large_) {
      fail(Kind::kTooLarge,
           where() + " sent more than " + std::to_string(options_.body_limit) + " bytes");
    } else if (code != CURLE_OK) {
      if (!(is_worth_repeating(code, request_.repeatable) && wait({}, deadline))) {
        fail(kind_of(code), where() + ": " + why(code));
      }
    } else {
      end_with_status(deadline);
    }
  }

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    if (const CURLcode code = curl_.easy_setopt(handle_, option, value); code != CURLE_OK) {
      throw base::Error(base::Status::kFailed,
                        std::string("cannot set up a request: ") + curl_.easy_strerror(code));
    }
  }

  void prepare(const std::string& proxy, const std::string& no_proxy) {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "https,http");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_USERAGENT, "agentbox");
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_PRIVATE, this);
    // An empty proxy also keeps libcurl from asking the environment itself.
    set(CURLOPT_PROXY, request_.link_local ? "" : proxy.c_str());
    set(CURLOPT_NOPROXY, no_proxy.c_str());
    set_file(CURLOPT_CAINFO, options_.ca_file);
    set_file(CURLOPT_CAPATH, options_.ca_directory);
    set_file(CURLOPT_SSLCERT, options_.client_certificate);
    set_file(CURLOPT_SSLKEY, options_.client_key);
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT") {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      // Not copied: the request outlives the transfer.
      set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.reveal().data());
    }
    for (const std::string& header : request_.headers) {
      add_header(header.c_str());
    }
    for (const Secret& header : request_.secret_headers) {
      add_header(header.reveal().data());  // secret_header() ends it with a NUL
    }
    add_header("Expect:");  // no round trip before a body
    set(CURLOPT_HTTPHEADER, request_headers_);
    set(CURLOPT_WRITEFUNCTION, &Transfer::take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::take_header);
    set(CURLOPT_HEADERDATA, this);
  }

  void set_file(CURLoption option, const std::string& path) {
    if (!path.empty()) {
      set(option, path.c_str());
    }
  }

  void add_header(const char* text) {
    curl_slist* longer = curl_.slist_append(request_headers_, text);
    if (longer == nullptr) {
      throw base::Error(base::Status::kFailed, "libcurl has no memory for a request");
    }
    request_headers_ = longer;
  }

  void release() {
    curl_.easy_cleanup(handle_);
    curl_.slist_free_all(request_headers_);  // its copies go through the wiping allocator
  }

  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self) {
    Transfer& transfer = *static_cast<Transfer*>(self);
    const std::size_t bytes = size * count;
    if (transfer.body_.size() + bytes > transfer.options_.body_limit) {
      transfer.too_large_ = true;
      return 0;
    }
    try {
      transfer.body_.append({data, bytes});
      return bytes;
    } catch (...) {
      // Not through libcurl's own frames.
      transfer.thrown_ = std::current_exception();
      return 0;
    }
  }

  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self) {
    Transfer& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    const std::size_t colon = line.find(':');
    try {
      if (line.starts_with("HTTP/")) {
        transfer.headers_.clear();  // those of an interim response
      } else if (colon != std::string_view::npos && transfer.headers_.size() < kMostHeaders) {
        std::string_view value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
        transfer.headers_[lower(line.substr(0, colon))] = value;
      }
      return line.size();
    } catch (...) {
      transfer.thrown_ = std::current_exception();
      return 0;
    }
  }

  std::string where() const { return base::printable(origin_of(url_)); }

  std::string why(CURLcode code) const {
    const std::string_view detail = error_.data();
    return base::printable(detail.empty() ? std::string_view(curl_.easy_strerror(code)) : detail);
  }

  void end_with_status(Clock::time_point deadline) {
    long status = 0;
    curl_.easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    char* location = nullptr;
    curl_.easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &location);
    if (status >= 300 && status < 400 && location != nullptr) {
      follow(location, status);
      return;
    }
    curl_off_t asked = 0;  // seconds of Retry-After, also from its form as a date
    curl_.easy_getinfo(handle_, CURLINFO_RETRY_AFTER, &asked);
    if (is_worth_repeating(static_cast<int>(status), request_.repeatable) &&
        wait(std::chrono::seconds(asked), deadline)) {
      return;
    }
    result_ = HttpResponse{static_cast<int>(status), std::move(headers_), body_.take()};
  }

  void follow(const std::string& location, long status) {
    const bool keeps_method = request_.method == "GET" || status == 307 || status == 308;
    if (origin_of(location) != origin_of(request_.url) || !keeps_method) {
      fail(Kind::kRedirected,
           where() + " sends this request on to " + base::printable(origin_of(location)));
    } else if (++redirects_ > kMostRedirects) {
      fail(Kind::kRedirected, where() + " redirects in a circle");
    } else {
      url_ = location;
      --attempt_;
      not_before_ = Clock::now();
    }
  }

  // Whether there is an attempt left, and time for it after what the server asked for.
  bool wait(std::chrono::seconds asked, Clock::time_point deadline) {
    if (attempt_ >= request_.attempts) {
      return false;
    }
    const milliseconds delay =
        asked.count() > 0 ? milliseconds(asked) : with_jitter(kFirstDelay * (1 << (attempt_ - 1)));
    not_before_ = Clock::now() + delay;
    return not_before_ < deadline;
  }

  const CurlLibrary& curl_;
  const HttpRequest& request_;
  const Http::Options& options_;
  std::string url_;
  CURL* handle_ = nullptr;
  curl_slist* request_headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_ = {};
  SecretBuilder body_;
  std::map<std::string, std::string> headers_;
  std::exception_ptr thrown_;
  std::optional<HttpResult> result_;
  Clock::time_point not_before_ = Clock::now();
  int attempt_ = 0;
  int redirects_ = 0;
  bool too_large_ = false;
  bool running_ = false;
};

// Handles that are in the pool when an exception passes must leave it before they are freed.
class Running {
 public:
  Running(const CurlLibrary& curl, CURLM* multi) : curl_(curl), multi_(multi) {}
  ~Running() {
    for (CURL* handle : handles_) {
      curl_.multi_remove_handle(multi_, handle);
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void add(CURL* handle) {
    handles_.push_back(handle);
    curl_.multi_add_handle(multi_, handle);
  }
  void remove(CURL* handle) {
    curl_.multi_remove_handle(multi_, handle);
    std::erase(handles_, handle);
  }

 private:
  const CurlLibrary& curl_;
  CURLM* multi_;
  std::vector<CURL*> handles_;
};

}  // namespace

Http::Http(Options options, const Environment& environment) : options_(std::move(options)) {
  if (options_.ca_file.empty() && options_.ca_directory.empty()) {
    options_.ca_file = environment.get("SSL_CERT_FILE");
    options_.ca_directory = environment.get("SSL_CERT_DIR");
  }
  proxy_ = environment.get({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  no_proxy_ = environment.get({"no_proxy", "NO_PROXY"});
  no_proxy_ += no_proxy_.empty() ? "localhost,127.0.0.1,::1" : ",localhost,127.0.0.1,::1";
}

Http::~Http() {
  if (multi_ != nullptr) {
    curl_library().multi_cleanup(multi_);
  }
}

std::vector<HttpResult> Http::run(std::span<const HttpRequest> requests, Clock::time_point deadline,
                                  const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  const CurlLibrary& curl = curl_library();
  if (multi_ == nullptr) {
    multi_ = curl.multi_init();
    if (multi_ == nullptr) {
      throw base::Error(base::Status::kFailed, "libcurl has no memory for its connections");
    }
    curl.multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, kConnectionsPerHost);
  }
  std::vector<std::unique_ptr<Transfer>> transfers;
  Running running(curl, multi_);  // goes first
  for (const HttpRequest& request : requests) {
    transfers.push_back(std::make_unique<Transfer>(request, options_, proxy_, no_proxy_));
    if (std::optional<HttpFailure> failure = unfit(request)) {
      transfers.back()->fail(failure->kind, std::move(failure->message));
    }
  }
  const std::stop_callback wake(stop, [&] { curl.multi_wakeup(multi_); });
  for (;;) {
    const Clock::time_point now = Clock::now();
    Clock::time_point next = deadline;
    bool open = false;
    for (const auto& transfer : transfers) {
      if (!transfer->done() && (stop.stop_requested() || now >= deadline)) {
        if (transfer->running()) {
          running.remove(transfer->handle());
        }
        transfer->fail(stop.stop_requested() ? Kind::kCancelled : Kind::kTimeout,
                       stop.stop_requested() ? "stopped" : "no answer in time");
      }
      if (transfer->waiting() && transfer->not_before() <= now) {
        transfer->begin(deadline);
        running.add(transfer->handle());
      }
      if (transfer->waiting()) {
        next = std::min(next, transfer->not_before());
      }
      open = open || !transfer->done();
    }
    if (!open) {
      break;
    }
    int active = 0;
    curl.multi_perform(multi_, &active);
    int left = 0;
    bool ended = false;
    while (const CURLMsg* message = curl.multi_info_read(multi_, &left)) {
      void* owner = nullptr;
      CURL* const handle = message->easy_handle;
      const CURLcode code = message->data.result;
      curl.easy_getinfo(handle, CURLINFO_PRIVATE, &owner);
      running.remove(handle);
      static_cast<Transfer*>(owner)->end(code, deadline);
      ended = true;
    }
    if (!ended) {
      const auto pause = std::chrono::ceil<milliseconds>(next - Clock::now());
      curl.multi_poll(multi_, nullptr, 0,
                      static_cast<int>(std::clamp<long>(pause.count(), 0, 60'000)), nullptr);
    }
  }
  std::vector<HttpResult> results;
  for (const auto& transfer : transfers) {
    results.push_back(transfer->take());
  }
  return results;
}

HttpResult Http::run_one(const HttpRequest& request, Clock::time_point deadline,
                         const std::stop_token& stop) {
  return std::move(run({&request, 1}, deadline, stop).front());
}

Secret secret_header(std::string_view name_and_colon, std::string_view value) {
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      throw base::Error(base::Status::kConfiguration,
                        "a credential holds a line break or another control character",
                        "store it without one");
    }
  }
  SecretBuilder header;
  header.append(name_and_colon);
  header.append(value);
  header.append(std::string_view("\0", 1));  // libcurl takes C strings
  return header.take();
}

std::string percent_encode(std::string_view text, std::string_view plain) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos || plain.find(c) != std::string_view::npos) {
      result += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      result += '%';
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    }
  }
  return result;
}

}  // namespace agentbox::resolver
