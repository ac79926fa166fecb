// The HTTP client against a server with faults.
#include "resolver/http.h"

#include <cstdint>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "process_memory.h"
#include "stand_in.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using Kind = HttpFailure::Kind;

class HttpTest : public testing::Test {
 protected:
  static Json config(const Json& faults) {
    return {{"tokens", {{"hvs.CANARY-token", Json::object()}}},
            {"mounts", {{"secret/", {{"type", "kv"}, {"options", {{"version", "2"}}}}}}},
            {"secrets", {{"secret/app", {{{"data", {{"key", "value"}}}}}}}},
            {"faults", faults}};
  }

  HttpResult get(const StandIn& server, const std::string& path = "/v1/secret/data/app",
                 milliseconds limit = seconds(30)) {
    HttpRequest request;
    request.url = server.url() + path;
    request.secret_headers.push_back(secret_header("X-Vault-Token: ", "hvs.CANARY-token"));
    Http::Options options;
    options.ca_file = server.authority();
    Http http(options, Environment(variables_.get()));
    return http.run_one(request, steady_clock::now() + limit);
  }

  static int status(const HttpResult& result) {
    if (const auto* failure = std::get_if<HttpFailure>(&result)) {
      ADD_FAILURE() << failure->message;
      return -1;
    }
    return std::get<HttpResponse>(result).status;
  }

  static Kind kind(const HttpResult& result) {
    const auto* failure = std::get_if<HttpFailure>(&result);
    EXPECT_NE(failure, nullptr);
    if (failure == nullptr) {
      return Kind::kCancelled;
    }
    EXPECT_EQ(failure->message.find("CANARY"), std::string::npos);
    return failure->kind;
  }

  Variables variables_;
};

TEST_F(HttpTest, BringsTheBody) {
  StandIn server("vault", config(Json::array()));
  const HttpResult result = get(server);
  ASSERT_EQ(status(result), 200);
  const auto& response = std::get<HttpResponse>(result);
  EXPECT_NE(response.body.reveal().find("\"value\""), std::string::npos);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_EQ(server.requests().at(0)["headers"]["x-vault-token"], "hvs.CANARY-token");
}

TEST_F(HttpTest, TriesAgainAfterServerErrors) {
  StandIn server("vault",
                 config({{{"path", "app"}, {"times", 2}, {"kind", "status"}, {"status", 502}}}));
  EXPECT_EQ(status(get(server)), 200);
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(HttpTest, GivesUpAfterFourAttempts) {
  StandIn server("vault", config({{{"path", "app"}, {"kind", "status"}, {"status", 500}}}));
  EXPECT_EQ(status(get(server)), 500);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(HttpTest, WaitsAsLongAsRetryAfterSays) {
  StandIn server("vault", config({{{"path", "app"},
                                   {"times", 1},
                                   {"kind", "status"},
                                   {"status", 429},
                                   {"headers", {{"Retry-After", "1"}}}}}));
  const auto start = steady_clock::now();
  EXPECT_EQ(status(get(server)), 200);
  EXPECT_GE(steady_clock::now() - start, seconds(1));
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(HttpTest, DoesNotWaitPastTheDeadline) {
  StandIn server("vault", config({{{"path", "app"},
                                   {"kind", "status"},
                                   {"status", 429},
                                   {"headers", {{"Retry-After", "3600"}}}}}));
  EXPECT_EQ(status(get(server)), 429);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(HttpTest, NeverRepeatsWhatTheServerRefused) {
  for (const int refused : {400, 401, 403, 404, 409, 422, 501}) {
    StandIn server("vault", config({{{"path", "app"}, {"kind", "status"}, {"status", refused}}}));
    EXPECT_EQ(status(get(server)), refused);
    EXPECT_EQ(server.requests().size(), 1u) << refused;
  }
}

TEST_F(HttpTest, RepeatsWhatIsNotRepeatableOnlyIfItWasRefused) {
  StandIn server("vault",
                 config({{{"path", "502"}, {"kind", "status"}, {"status", 502}},
                         {{"path", "cut"}, {"kind", "cut"}},
                         {{"path", "app"}, {"times", 1}, {"kind", "status"}, {"status", 503}}}));
  Http::Options options;
  options.ca_file = server.authority();
  Http http(options, Environment(variables_.get()));
  std::vector<HttpRequest> requests(3);
  const char* const names[] = {"502", "cut", "app"};
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i].url = server.url() + "/v1/secret/data/" + names[i];
    requests[i].secret_headers.push_back(secret_header("X-Vault-Token: ", "hvs.CANARY-token"));
    requests[i].repeatable = false;
  }
  const std::vector<HttpResult> results = http.run(requests, steady_clock::now() + seconds(30));
  EXPECT_EQ(status(results[0]), 502);
  EXPECT_EQ(kind(results[1]), Kind::kUnreachable);
  EXPECT_EQ(status(results[2]), 200);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(HttpTest, TriesAgainWhatWasCutOff) {
  StandIn server("vault", config({{{"path", "app"}, {"times", 1}, {"kind", "cut"}}}));
  const HttpResult result = get(server);
  ASSERT_EQ(status(result), 200);
  // Nothing of the first half is left in front of the whole.
  EXPECT_EQ(std::get<HttpResponse>(result).body.reveal().front(), '{');
  EXPECT_EQ(std::get<HttpResponse>(result).body.reveal().find("request_id", 20),
            std::string_view::npos);
}

TEST_F(HttpTest, RefusesABodyWithoutEnd) {
  StandIn server("vault", config({{{"path", "app"}, {"kind", "flood"}, {"bytes", 100'000'000}}}));
  EXPECT_EQ(kind(get(server)), Kind::kTooLarge);
}

TEST_F(HttpTest, StopsAtTheDeadline) {
  StandIn server("vault", config({{{"path", "app"}, {"kind", "hang"}}}));
  EXPECT_EQ(kind(get(server, "/v1/secret/data/app", milliseconds(300))), Kind::kTimeout);
}

TEST_F(HttpTest, StopsWhenTold) {
  StandIn server("vault", config({{{"path", "app"}, {"kind", "hang"}}}));
  HttpRequest request;
  request.url = server.url() + "/v1/secret/data/app";
  Http::Options options;
  options.ca_file = server.authority();
  Http http(options, Environment(variables_.get()));
  std::stop_source stop;
  std::jthread later([&] {
    while (server.requests().empty()) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    stop.request_stop();
  });
  EXPECT_EQ(kind(http.run_one(request, steady_clock::now() + seconds(60), stop.get_token())),
            Kind::kCancelled);
}

TEST_F(HttpTest, TrustsNoStranger) {
  StandIn server("vault", config(Json::array()));
  HttpRequest request;
  request.url = server.url() + "/v1/secret/data/app";
  Http http({}, Environment(variables_.get()));
  EXPECT_EQ(kind(http.run_one(request, steady_clock::now() + seconds(30))), Kind::kUntrusted);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpTest, TrustsTheUsersOwnAuthority) {
  StandIn server("vault", config(Json::array()));
  variables_.set("SSL_CERT_FILE", server.authority());
  HttpRequest request;
  request.url = server.url() + "/v1/secret/data/app";
  Http http({}, Environment(variables_.get()));
  EXPECT_EQ(status(http.run_one(request, steady_clock::now() + seconds(30))), 400);
}

TEST_F(HttpTest, TrustsNoCertificateForAnotherHost) {
  Json other = config(Json::array());
  other["host"] = "vault.example.com";
  StandIn server("vault", other);
  EXPECT_EQ(kind(get(server)), Kind::kUntrusted);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpTest, SendsNothingWithoutTlsButToThisMachine) {
  HttpRequest request;
  Http http({}, Environment(variables_.get()));
  for (const char* url :
       {"http://vault.example.com/", "http://127.0.0.1.example.com/",
        "http://localhost.example.com/", "http://localhost@example.com/", "http://169.254.169.254/",
        "ftp://localhost/", "localhost:8200", "https://", "https://a b/", "file:///etc/passwd"}) {
    request.url = url;
    EXPECT_EQ(kind(http.run_one(request, steady_clock::now() + seconds(5))), Kind::kRefused) << url;
  }
  StandIn server("vault", config(Json::array()), false);
  EXPECT_EQ(status(get(server)), 200);
}

TEST_F(HttpTest, FollowsNoRedirectToAnotherOrigin) {
  StandIn server("vault", config({{{"path", "app"},
                                   {"kind", "status"},
                                   {"status", 307},
                                   {"headers", {{"Location", "https://evil.example.com/"}}}}}));
  const HttpResult result = get(server);
  EXPECT_EQ(kind(result), Kind::kRedirected);
  EXPECT_NE(std::get<HttpFailure>(result).message.find("evil.example.com"), std::string::npos);
}

TEST_F(HttpTest, FollowsARedirectWithinTheOrigin) {
  StandIn server("vault", config({{{"path", "old"},
                                   {"kind", "status"},
                                   {"status", 307},
                                   {"headers", {{"Location", "/v1/secret/data/app"}}}},
                                  {{"path", "circle"},
                                   {"kind", "status"},
                                   {"status", 307},
                                   {"headers", {{"Location", "/circle"}}}}}));
  EXPECT_EQ(status(get(server, "/v1/old")), 200);
  EXPECT_EQ(kind(get(server, "/circle")), Kind::kRedirected);
}

TEST_F(HttpTest, SaysThatNobodyListens) {
  HttpRequest request;
  request.url = "https://127.0.0.1:1/";
  request.attempts = 1;
  Http http({}, Environment(variables_.get()));
  EXPECT_EQ(kind(http.run_one(request, steady_clock::now() + seconds(30))), Kind::kUnreachable);
}

TEST_F(HttpTest, AsksTheProxyThatTheUserNames) {
  variables_.set("HTTPS_PROXY", "http://127.0.0.1:1");
  HttpRequest request;
  request.url = "https://vault.example.com/";
  request.attempts = 1;
  Http http({}, Environment(variables_.get()));
  const HttpResult result = http.run_one(request, steady_clock::now() + seconds(30));
  ASSERT_EQ(kind(result), Kind::kUnreachable);
  EXPECT_NE(std::get<HttpFailure>(result).message.find("127.0.0.1 port 1"), std::string::npos)
      << std::get<HttpFailure>(result).message;
}

TEST_F(HttpTest, AsksAllAtOnce) {
  Json slow = config(Json::array());
  slow["latency"] = 0.2;
  StandIn server("vault", slow);
  std::vector<HttpRequest> requests(8);
  for (HttpRequest& request : requests) {
    request.url = server.url() + "/v1/secret/data/app";
  }
  Http::Options options;
  options.ca_file = server.authority();
  Http http(options, Environment(variables_.get()));
  const auto start = steady_clock::now();
  for (const HttpResult& result : http.run(requests, start + seconds(30))) {
    EXPECT_EQ(status(result), 400);
  }
  // One after the other they would take 1.6 s.
  EXPECT_LT(steady_clock::now() - start, milliseconds(1500));
}

// The server makes the value up, so that no text of this test holds it.
TEST_F(HttpTest, LeavesNoCopyOfAnAnswerBehind) {
  Json making = config(Json::array());
  making["mounts"]["database/"] = {{"type", "database"}, {"options", nullptr}};
  making["secrets"]["database/creds/x"] = {{{"data", {{"key", "made-up-$N-for-this-test"}}}}};
  StandIn server("vault", making);
  const std::string turned = turned_bits({"made-up-", "1-for-this-test"});
  {
    HttpResult result = get(server, "/v1/database/creds/x");
    ASSERT_EQ(status(result), 200);
    EXPECT_TRUE(in_memory(turned));  // the control: it is found while it is there
  }
  EXPECT_FALSE(in_memory(turned));
}

TEST(SecretHeader, TakesNoLineBreaks) {
  EXPECT_EQ(secret_header("A: ", "b").reveal(), std::string_view("A: b\0", 5));
  EXPECT_THROW(secret_header("A: ", "b\r\nC: d"), base::Error);
}

TEST(PercentEncode, KeepsTheUnreserved) {
  EXPECT_EQ(percent_encode("aZ9-._~/ ?#%\xc3\xa9"), "aZ9-._~%2F%20%3F%23%25%C3%A9");
  EXPECT_EQ(percent_encode("a/b c", "/"), "a/b%20c");
}

}  // namespace
}  // namespace agentbox::resolver
