#include "resolver/backends/aws_secrets.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/encode.h"
#include "resolver/backends/aws_credentials.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/json_reply.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAddress = "AWS_ENDPOINT_URL_SECRETS_MANAGER";
constexpr const char* kAuthority = "AWS_CA_BUNDLE";
constexpr const char* kForm = "the form is aws-sm://[region/]id#key, with ?stage= or ?version=";

// One secret in one version, for all the references that want something of it.
struct Wanted {
  std::string region, id, stage, version;
  std::vector<std::size_t> places;  // in the list of references

  bool same(const Wanted& other) const {
    return region == other.region && id == other.id && stage == other.stage &&
           version == other.version;
  }
};

bool is_of(std::string_view text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

// "us-east-1", "us-gov-west-1": at least three parts, a number at the end.
bool is_region(std::string_view text) {
  return text.size() < 32 && std::count(text.begin(), text.end(), '-') >= 2 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos &&
         text[text.size() - 2] == '-' && text.back() >= '0' && text.back() <= '9';
}

std::optional<Failed> parse(const Reference& reference, Wanted& wanted) {
  std::size_t first = 0;
  if (reference.path.size() > 1 && is_region(reference.path.front())) {
    wanted.region = reference.path.front();
    first = 1;
  }
  for (std::size_t i = first; i < reference.path.size(); ++i) {
    wanted.id += (i == first ? "" : "/") + reference.path[i];
  }
  if (!is_of(wanted.id, "/_+=.@-:")) {
    return Failed{Failure::kInvalidReference, "not the name or ARN of a secret", kForm};
  }
  if (wanted.id.starts_with("arn:")) {
    const std::size_t region = wanted.id.find(':', wanted.id.find(':', 4) + 1) + 1;
    wanted.region = wanted.id.substr(region, wanted.id.find(':', region) - region);
    if (!is_region(wanted.region)) {
      return Failed{Failure::kInvalidReference, "an ARN without a region", kForm};
    }
  }
  std::string_view query = reference.query;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::string_view value = pair.substr(std::min(pair.find('=') + 1, pair.size()));
    if (pair.starts_with("stage=") && is_of(value, "/_+=.@-")) {
      wanted.stage = value;
    } else if (pair.starts_with("version=") && is_of(value, "-")) {
      wanted.version = value;
    } else {
      return Failed{Failure::kInvalidReference,
                    "an unknown query, or one without a plain value: " + base::printable(pair),
                    "it is ?stage=AWSPREVIOUS or ?version=ID"};
    }
  }
  return std::nullopt;
}

struct Known {
  std::string_view type;
  Failure failure;
  const char* hint;
};

// What "__type" may be (Secrets Manager API Reference, "Common Errors" and "GetSecretValue").
constexpr std::array<Known, 17> kKnown = {{
    {"ResourceNotFoundException", Failure::kNotFound,
     "look with `aws secretsmanager list-secrets`, and at the region"},
    {"InvalidRequestException", Failure::kNotFound,
     "if it is marked for deletion: `aws secretsmanager restore-secret`"},
    {"InvalidParameterException", Failure::kInvalidReference, kForm},
    {"ValidationException", Failure::kInvalidReference, kForm},
    {"AccessDeniedException", Failure::kPermissionDenied,
     "allow secretsmanager:GetSecretValue (and kms:Decrypt) for it"},
    {"AccessDenied", Failure::kPermissionDenied,
     "allow secretsmanager:GetSecretValue (and kms:Decrypt) for it"},
    {"DecryptionFailure", Failure::kPermissionDenied, "allow kms:Decrypt for the secret's key"},
    {"UnrecognizedClientException", Failure::kAuthFailed,
     "look who you are: `aws sts get-caller-identity`"},
    {"InvalidClientTokenId", Failure::kAuthFailed,
     "look who you are: `aws sts get-caller-identity`"},
    {"ExpiredTokenException", Failure::kAuthFailed, "log in again: `aws sso login`"},
    {"ExpiredToken", Failure::kAuthFailed, "log in again: `aws sso login`"},
    {"InvalidSignatureException", Failure::kAuthFailed,
     "look at the secret access key, and at this machine's clock: `date -u`"},
    {"MissingAuthenticationTokenException", Failure::kAuthRequired, "`aws configure`"},
    {"ThrottlingException", Failure::kRateLimited, "wait a minute, then try again"},
    {"TooManyRequestsException", Failure::kRateLimited, "wait a minute, then try again"},
    {"RequestLimitExceeded", Failure::kRateLimited, "wait a minute, then try again"},
    {"InternalServiceError", Failure::kUnavailable, "try again; look at AWS's status page"},
}};

Failed explain(const JsonReply& reply, const AwsCredentials& credentials) {
  const Document::Node root = reply.root();
  std::string type = root["__type"].text();
  const auto header = reply.headers.find("x-amzn-errortype");
  if (type.empty() && header != reply.headers.end()) {
    type = header->second;
  }
  type = type.substr(type.find('#') == std::string::npos ? 0 : type.find('#') + 1);
  type = type.substr(0, type.find(':'));
  std::string words = root["message"].text();
  words = words.empty() ? root["Message"].text() : words;
  const auto shown = [&](const std::string& said) {
    return server_words(said, {credentials.key.reveal(), credentials.session_token.reveal()});
  };
  const std::string message = "AWS answered " + std::to_string(reply.status) +
                              (type.empty() ? "" : " " + shown(type)) +
                              (words.empty() ? "" : ": " + shown(words));
  for (const Known& known : kKnown) {
    if (type == known.type) {
      return {known.failure, message, known.hint};
    }
  }
  if (reply.status == 429) {
    return rate_limited(message, reply.retry_after());
  }
  return {reply.status >= 500 ? Failure::kUnavailable : Failure::kInvalidResponse, message,
          "compare with `aws secretsmanager get-secret-value`"};
}

// Bytes of a binary secret.
std::optional<Secret> from_base64(std::string_view text) {
  Secret bytes(text.size() + 1);
  std::size_t size = 0;
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.bytes().data()), bytes.size(),
                          text.data(), text.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
    return std::nullopt;
  }
  bytes.shrink(size);
  return bytes;
}

Answer pick(const JsonReply& reply, const std::string& key) {
  const Document::Node root = reply.root();
  const std::string version = root["VersionId"].text();
  if (root["SecretBinary"].is_string()) {
    if (!key.empty()) {
      return Failed{Failure::kInvalidReference, "the secret is binary and has no keys",
                    "leave out \"#" + base::printable(key) + "\""};
    }
    std::optional<Secret> bytes = from_base64(root["SecretBinary"].secret()->reveal());
    if (bytes) {
      return Value{std::move(*bytes), version};
    }
  } else if (root["SecretString"].is_string()) {
    Secret text = std::move(*root["SecretString"].secret());
    if (key.empty()) {
      return Value{std::move(text), version};
    }
    const std::optional<Document> members = Document::parse(std::move(text));
    if (!members || !members->root().is_object()) {
      return Failed{Failure::kInvalidReference, "the secret is no JSON object and has no keys",
                    "leave out \"#" + base::printable(key) + "\""};
    }
    const Document::Node member = members->root()[key];
    if (!member) {
      return Failed{Failure::kNotFound, "the secret has no key " + base::printable(key),
                    suggest(key, members->root().names())};
    }
    return Value{std::move(*member.secret()), version};
  }
  return Failed{Failure::kInvalidResponse, "AWS's answer holds no secret",
                "look at AWS_ENDPOINT_URL"};
}

HttpRequest request_for(const Wanted& wanted, const std::string& url,
                        const AwsCredentials& credentials) {
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = {"Content-Type: application/x-amz-json-1.1",
                     "X-Amz-Target: secretsmanager.GetSecretValue"};
  SecretBuilder body;
  body.append("{\"SecretId\":");
  append_json_string(body, wanted.id);
  for (const auto& [name, value] :
       {std::pair{"VersionStage", wanted.stage}, {"VersionId", wanted.version}}) {
    if (!value.empty()) {
      body.append(std::string(",\"") + name + "\":");
      append_json_string(body, value);
    }
  }
  body.append("}");
  request.body = body.take();
  sign_for_aws(request, credentials, wanted.region, "secretsmanager", aws_date());
  return request;
}

}  // namespace

AwsSecretsBackend::AwsSecretsBackend(const Environment& environment, std::vector<std::string> avoid)
    : environment_(environment), avoid_(std::move(avoid)) {
  if (avoid_.empty()) {
    avoid_.push_back(".");
  }
}

std::vector<Answer> AwsSecretsBackend::resolve(const std::vector<Reference>& references,
                                               Clock::time_point deadline) {
  if (!http_) {
    Http::Options options;
    options.ca_file = environment_.get("AWS_CA_BUNDLE");
    http_ = std::make_unique<Http>(std::move(options), environment_);
  }
  AwsChain chain(*http_, environment_, avoid_, deadline);
  std::vector<Answer> answers(references.size());
  std::vector<Wanted> all;
  for (std::size_t i = 0; i < references.size(); ++i) {
    Wanted wanted;
    std::optional<Failed> failed = parse(references[i], wanted);
    wanted.region = wanted.region.empty() ? chain.region() : wanted.region;
    if (!failed && !is_region(wanted.region)) {
      failed = {Failure::kInvalidReference, "no AWS region is named",
                "export AWS_REGION, or write aws-sm://REGION/ID"};
    }
    if (failed) {
      answers[i] = *std::move(failed);
      continue;
    }
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const Wanted& other) { return other.same(wanted); });
    Wanted& kept = same == all.end() ? all.emplace_back(std::move(wanted)) : *same;
    kept.places.push_back(i);
  }
  if (all.empty()) {
    return answers;
  }
  std::variant<AwsCredentials, Failed> outcome = chain.credentials();
  if (const auto* failed = std::get_if<Failed>(&outcome)) {
    return same_answer(*failed, references.size());
  }
  const auto& credentials = std::get<AwsCredentials>(outcome);
  std::vector<HttpRequest> requests;
  for (const Wanted& wanted : all) {
    requests.push_back(request_for(
        wanted, chain.endpoint("secretsmanager", kAddress, wanted.region), credentials));
  }
  const std::vector<JsonOutcome> outcomes =
      ask_json(*http_, requests, deadline, kAddress, kAuthority);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const std::size_t place : all[i].places) {
      if (const auto* failed = std::get_if<Failed>(&outcomes[i])) {
        answers[place] = *failed;
      } else if (const auto& reply = std::get<JsonReply>(outcomes[i]); reply.status != 200) {
        answers[place] = explain(reply, credentials);
      } else {
        answers[place] = pick(reply, references[place].fragment);
      }
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
