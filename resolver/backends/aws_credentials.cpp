#include "resolver/backends/aws_credentials.h"

#include <array>
#include <ctime>
#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"
#include "resolver/process.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAddress = "AWS_ENDPOINT_URL";
constexpr const char* kAuthority = "AWS_CA_BUNDLE";
constexpr int kLongestChain = 5;
constexpr const char* kWaysIn =
    "`aws configure`, or export AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

// The three under the names that this source has for them.
std::optional<AwsCredentials> credentials_in(const Document::Node& node, const char* token) {
  if (!node["AccessKeyId"].is_string() || !node["SecretAccessKey"].is_string()) {
    return std::nullopt;
  }
  AwsCredentials credentials;
  credentials.key_id = node["AccessKeyId"].text();
  credentials.key = std::move(*node["SecretAccessKey"].secret());
  if (node[token].is_string()) {
    credentials.session_token = std::move(*node[token].secret());
  }
  return credentials;
}

// Words as a shell would split them, with quotes and backslashes and nothing else.
std::vector<std::string> split_command(std::string_view line) {
  std::vector<std::string> words;
  bool open = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      open = false;
      continue;
    }
    if (!open) {
      words.emplace_back();
      open = true;
    }
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

// Whether plain HTTP may go there: this machine (which Http knows itself) or the link-local
// addresses that AWS gives to containers.
bool is_container_host(std::string_view url) {
  for (const std::string_view host :
       {"http://169.254.170.2", "http://169.254.170.23", "http://[fd00:ec2::23]"}) {
    if (url.starts_with(host) &&
        (url.size() == host.size() || url[host.size()] == '/' || url[host.size()] == ':')) {
      return true;
    }
  }
  return false;
}

// A program by its path, which has to be an absolute one, is held to what one in PATH is.
Search find_at(const std::string& path, const std::vector<std::string>& avoid) {
  const std::size_t slash = path.rfind('/');
  return path.starts_with('/')
             ? find_program(path.substr(slash + 1), slash == 0 ? "/" : path.substr(0, slash), avoid)
             : Search();
}

std::string form(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string text = "Version=2011-06-15";
  for (const auto& [name, value] : fields) {
    if (!value.empty()) {
      text += "&" + std::string(name) + "=" + percent_encode(value);
    }
  }
  return text;
}

}  // namespace

std::string aws_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text = {};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return {text.data(), length};
}

AwsChain::AwsChain(Http& http, const Environment& environment, std::vector<std::string> avoid,
                   Clock::time_point deadline)
    : http_(http),
      environment_(environment),
      avoid_(std::move(avoid)),
      deadline_(deadline),
      profile_(environment.get("AWS_PROFILE").empty() ? "default"
                                                      : std::string(environment.get("AWS_PROFILE")),
               environment) {}

std::string AwsChain::region() const {
  const std::string_view set = environment_.get({"AWS_REGION", "AWS_DEFAULT_REGION"});
  return std::string(set.empty() ? profile_.get("region") : set);
}

std::string AwsChain::endpoint(std::string_view service, std::string_view variable,
                               std::string_view region) const {
  std::string url(environment_.get({variable, "AWS_ENDPOINT_URL"}));
  url = url.empty() ? std::string(profile_.get("endpoint_url")) : url;
  if (url.empty()) {
    url = "https://" + std::string(service) + "." + std::string(region) + ".amazonaws.com" +
          (region.starts_with("cn-") ? ".cn" : "");
  }
  return url.ends_with('/') ? url : url + "/";
}

AwsChain::Outcome AwsChain::credentials() {
  if (!environment_.get("AWS_ACCESS_KEY_ID").empty() &&
      !environment_.get("AWS_SECRET_ACCESS_KEY").empty()) {
    AwsCredentials credentials;
    credentials.key_id = environment_.get("AWS_ACCESS_KEY_ID");
    credentials.key = Secret(environment_.get("AWS_SECRET_ACCESS_KEY"));
    credentials.session_token = Secret(environment_.get("AWS_SESSION_TOKEN"));
    return credentials;
  }
  const bool chosen = !environment_.get("AWS_PROFILE").empty();
  if (chosen && !profile_.exists()) {
    return Failed{Failure::kAuthRequired,
                  "there is no AWS profile " + base::printable(profile_.name()),
                  "`aws configure list-profiles` shows those that there are"};
  }
  if (chosen || !profile_.get("role_arn").empty() || !profile_.get("aws_access_key_id").empty() ||
      !profile_.get("credential_process").empty() || !profile_.get("sso_session").empty() ||
      !profile_.get("sso_start_url").empty()) {
    return of_profile(profile_, 0);
  }
  const std::string token_file(environment_.get("AWS_WEB_IDENTITY_TOKEN_FILE"));
  if (!token_file.empty()) {
    return assume_role_with_web_identity(environment_.get("AWS_ROLE_ARN"),
                                         environment_.get("AWS_ROLE_SESSION_NAME"), token_file);
  }
  if (!environment_
           .get({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"})
           .empty()) {
    return of_container();
  }
  return of_instance();
}

AwsChain::Outcome AwsChain::of_profile(const AwsProfile& profile, int depth) {
  const std::string shown = base::printable(profile.name());
  if (!profile.exists() || depth > kLongestChain) {
    return Failed{Failure::kAuthRequired,
                  depth > kLongestChain ? "AWS profiles name each other in a circle"
                                        : "there is no AWS profile " + shown,
                  "look into ~/.aws/config"};
  }
  if (!profile.get("role_arn").empty() && !profile.get("mfa_serial").empty()) {
    return Failed{Failure::kAuthRequired, "the role of AWS profile " + shown + " wants an MFA code",
                  "log in with it elsewhere: `eval $(aws configure export-credentials --profile " +
                      shown + " --format env)`"};
  }
  if (!profile.get("role_arn").empty() && !profile.get("web_identity_token_file").empty()) {
    return assume_role_with_web_identity(profile.get("role_arn"), profile.get("role_session_name"),
                                         std::string(profile.get("web_identity_token_file")));
  }
  // A profile may be its own source: then its keys are meant.
  if (!profile.get("role_arn").empty()) {
    Outcome source = of_source(profile, depth);
    return std::holds_alternative<Failed>(source)
               ? std::move(source)
               : assume_role(profile, std::get<AwsCredentials>(source));
  }
  if (!profile.get("aws_access_key_id").empty()) {
    AwsCredentials credentials;
    credentials.key_id = profile.get("aws_access_key_id");
    credentials.key = Secret(profile.get("aws_secret_access_key"));
    credentials.session_token = Secret(profile.get("aws_session_token"));
    return credentials;
  }
  if (!profile.get("credential_process").empty()) {
    return of_process(profile);
  }
  const bool sso = !profile.get("sso_session").empty() || !profile.get("sso_start_url").empty();
  return Failed{
      Failure::kAuthRequired,
      "AWS profile " + shown + (sso ? " logs in by SSO, which only `aws` can" : " has no keys"),
      sso ? "`aws sso login`, then `eval $(aws configure export-credentials --profile " + shown +
                " --format env)`"
          : kWaysIn};
}

AwsChain::Outcome AwsChain::of_source(const AwsProfile& profile, int depth) {
  const std::string name(profile.get("source_profile"));
  if (!name.empty() && name != profile.name()) {
    return of_profile(AwsProfile(name, environment_), depth + 1);
  }
  if (!profile.get("aws_access_key_id").empty()) {
    AwsCredentials credentials;
    credentials.key_id = profile.get("aws_access_key_id");
    credentials.key = Secret(profile.get("aws_secret_access_key"));
    credentials.session_token = Secret(profile.get("aws_session_token"));
    return credentials;
  }
  if (profile.get("credential_source") == "EcsContainer") {
    return of_container();
  }
  if (profile.get("credential_source") == "Ec2InstanceMetadata") {
    return of_instance();
  }
  return Failed{Failure::kAuthRequired,
                "the role of AWS profile " + base::printable(profile.name()) +
                    " names no source of credentials that is there",
                "give it a source_profile, or a credential_source (EcsContainer, "
                "Ec2InstanceMetadata)"};
}

AwsChain::Outcome AwsChain::of_process(const AwsProfile& profile) {
  const std::string what = "credential_process of AWS profile " + base::printable(profile.name());
  std::vector<std::string> words = split_command(profile.get("credential_process"));
  Command command;
  const std::string path(environment_.get("PATH"));
  const std::string program = words.empty() ? "" : words.front();
  const Search search = find_program(program, path, avoid_);
  const Search found = program.find('/') == std::string::npos ? search : find_at(program, avoid_);
  command.program = found.program;
  if (command.program.empty() && !found.skipped.empty()) {
    return Failed{Failure::kPermissionDenied,
                  "the program of " + what + " is not trusted: it is in the project, or anyone " +
                      "may write it",
                  "install it elsewhere, and write its absolute path into ~/.aws/config"};
  }
  if (command.program.empty()) {
    return Failed{Failure::kUnavailable, "the program of " + what + " was not found",
                  "write its absolute path into ~/.aws/config"};
  }
  command.arguments = std::move(words);
  // What the program runs in turn is not found in the project either.
  std::vector<std::string> variables = {"PATH=" + search.path, "LANG=C"};
  for (const char* name : {"HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "AWS_CONFIG_FILE",
                           "AWS_SHARED_CREDENTIALS_FILE"}) {
    if (const std::string_view value = environment_.get(name); !value.empty()) {
      variables.push_back(std::string(name) + "=" + std::string(value));
    }
  }
  for (const std::string& variable : variables) {
    command.environment.push_back(variable.c_str());
  }
  Finished finished = run(command, deadline_);
  wipe(finished.errors);  // it may hold anything
  if (finished.end == Finished::End::kTimedOut) {
    return Failed{Failure::kTimeout, what + " did not answer in time and was stopped", ""};
  }
  if (finished.end != Finished::End::kExited || finished.code != 0) {
    return Failed{Failure::kAuthFailed, what + " failed",
                  "run it yourself: `aws configure get credential_process` shows it"};
  }
  const std::optional<Document> document = Document::parse(std::move(finished.output));
  if (document && document->root()["Version"].integer() == 1) {
    if (auto credentials = credentials_in(document->root(), "SessionToken")) {
      return *std::move(credentials);
    }
  }
  return Failed{Failure::kInvalidResponse, what + " printed no credentials of version 1",
                "it must print {\"Version\": 1, \"AccessKeyId\": …, \"SecretAccessKey\": …}"};
}

AwsChain::Outcome AwsChain::of_container() {
  HttpRequest request;
  const std::string_view relative = environment_.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  request.url = relative.empty()
                    ? std::string(environment_.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
                    : "http://169.254.170.2" + std::string(relative);
  request.link_local = is_container_host(request.url);
  request.attempt_limit = std::chrono::seconds(2);
  const std::string file(environment_.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
  const Secret from_file = file.empty() ? Secret() : read_credential_file(file);
  const std::string_view token = from_file.empty()
                                     ? environment_.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                                     : from_file.reveal();
  if (!token.empty()) {
    request.secret_headers.push_back(secret_header("Authorization: ", token));
  }
  return ask_endpoint(request, "the container's credentials endpoint");
}

AwsChain::Outcome AwsChain::of_instance() {
  const Failed none{Failure::kAuthRequired, "there are no AWS credentials", kWaysIn};
  if (environment_.get("AWS_EC2_METADATA_DISABLED") == "true") {
    return none;
  }
  std::string base(environment_.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  const bool usual = base.empty();
  base = usual ? "http://169.254.169.254" : base;
  while (base.ends_with('/')) {
    base.pop_back();
  }
  HttpRequest request;
  request.method = "PUT";
  request.url = base + "/latest/api/token";
  request.headers.push_back("X-aws-ec2-metadata-token-ttl-seconds: 21600");
  request.link_local = usual;
  request.attempt_limit = std::chrono::seconds(1);
  request.attempts = 1;
  HttpResult result = http_.run_one(request, deadline_);
  // Nobody there: this is no instance.
  if (std::holds_alternative<HttpFailure>(result) || std::get<HttpResponse>(result).status != 200) {
    return none;
  }
  const Secret token = std::move(std::get<HttpResponse>(result).body);
  request.method = "GET";
  request.headers.clear();
  request.secret_headers.push_back(secret_header("X-aws-ec2-metadata-token: ", token.reveal()));
  request.attempts = 3;
  request.url = base + "/latest/meta-data/iam/security-credentials/";
  result = http_.run_one(request, deadline_);
  if (std::holds_alternative<HttpFailure>(result) || std::get<HttpResponse>(result).status != 200) {
    return Failed{Failure::kAuthRequired, "this instance has no role",
                  "attach an instance profile, or " + std::string(kWaysIn)};
  }
  const std::string role(std::get<HttpResponse>(result).body.reveal());
  request.url += percent_encode(role.substr(0, role.find('\n')));
  return ask_endpoint(request, "the instance's metadata service");
}

AwsChain::Outcome AwsChain::ask_endpoint(const HttpRequest& request, const char* what) {
  std::vector<JsonOutcome> outcomes =
      ask_json(http_, {&request, 1}, deadline_, "AWS_CONTAINER_CREDENTIALS_FULL_URI", kAuthority);
  if (const auto* failed = std::get_if<Failed>(&outcomes.front())) {
    return *failed;
  }
  const auto& reply = std::get<JsonReply>(outcomes.front());
  if (reply.status == 200) {
    if (auto credentials = credentials_in(reply.root(), "Token")) {
      return *std::move(credentials);
    }
  }
  return Failed{
      reply.status == 200 ? Failure::kInvalidResponse : Failure::kAuthFailed,
      std::string(what) + " answered " + std::to_string(reply.status) + " without credentials",
      "look at the role of this task or instance"};
}

AwsChain::Outcome AwsChain::assume_role(const AwsProfile& profile, const AwsCredentials& source) {
  const std::string_view session = profile.get("role_session_name");
  const std::string body = form({{"Action", "AssumeRole"},
                                 {"RoleArn", profile.get("role_arn")},
                                 {"RoleSessionName", session.empty() ? "agentbox" : session},
                                 {"ExternalId", profile.get("external_id")},
                                 {"DurationSeconds", profile.get("duration_seconds")}});
  HttpRequest request;
  request.body = Secret(std::string_view(body));
  return ask_sts(std::move(request), &source, "AssumeRole");
}

AwsChain::Outcome AwsChain::assume_role_with_web_identity(std::string_view role,
                                                          std::string_view session,
                                                          const std::string& token_file) {
  const Secret token = read_credential_file(token_file);
  if (token.empty() || role.empty()) {
    return Failed{Failure::kAuthRequired,
                  role.empty()
                      ? "a web identity needs a role: AWS_ROLE_ARN is not set"
                      : "the web identity's token is not there: " + base::printable(token_file),
                  "look at AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN"};
  }
  SecretBuilder body;
  body.append(form({{"Action", "AssumeRoleWithWebIdentity"},
                    {"RoleArn", role},
                    {"RoleSessionName", session.empty() ? "agentbox" : session}}));
  body.append("&WebIdentityToken=");
  body.append(token.reveal());  // a JWT needs no encoding
  HttpRequest request;
  request.body = body.take();
  return ask_sts(std::move(request), nullptr, "AssumeRoleWithWebIdentity", token.reveal());
}

AwsChain::Outcome AwsChain::ask_sts(HttpRequest request, const AwsCredentials* source,
                                    const char* action, std::string_view token) {
  const std::string region = this->region().empty() ? "us-east-1" : this->region();
  request.method = "POST";
  request.url = endpoint("sts", "AWS_ENDPOINT_URL_STS", region);
  request.headers = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
                     "Accept: application/json"};
  if (source != nullptr) {
    sign_for_aws(request, *source, region, "sts", aws_date());
  }
  const std::vector<JsonOutcome> outcomes =
      ask_json(http_, {&request, 1}, deadline_, kAddress, kAuthority);
  if (const auto* failed = std::get_if<Failed>(&outcomes.front())) {
    return *failed;
  }
  const auto& reply = std::get<JsonReply>(outcomes.front());
  const std::string name = action;
  const Document::Node result = reply.root()[name + "Response"][name + "Result"]["Credentials"];
  if (reply.status == 200) {
    if (auto credentials = credentials_in(result, "SessionToken")) {
      return *std::move(credentials);
    }
    return Failed{Failure::kInvalidResponse, "AWS STS answered without credentials",
                  "look at AWS_ENDPOINT_URL_STS"};
  }
  const Document::Node error = reply.root()["Error"];
  const auto words = [&](const char* member) {
    const std::string text = error[member].text();
    return source != nullptr
               ? server_words(text, {source->key.reveal(), source->session_token.reveal()})
               : server_words(text, {token});
  };
  return Failed{
      error["Code"].text() == "AccessDenied" ? Failure::kPermissionDenied : Failure::kAuthFailed,
      "AWS STS refused the role: " + words("Code") + ": " + words("Message"),
      "look at role_arn and at the role's trust policy"};
}

}  // namespace agentbox::resolver
