// What a store may answer: any bytes as the responses of servers, the output of programs and AWS's
// shared files. The first byte chooses the store; the rest is the replies in their order, parted by
// a line "--": a line with the status, then the body. No credential is in any error, and one answer
// comes for each reference. libcurl and the processes are this file's own.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "resolver/backends/aws_secrets.h"
#include "resolver/backends/doppler.h"
#include "resolver/backends/infisical.h"
#include "resolver/backends/op.h"
#include "resolver/backends/pass.h"
#include "resolver/backends/vault.h"
#include "resolver/curl_library.h"
#include "resolver/process.h"

namespace {

using namespace agentbox::resolver;

constexpr std::string_view kCredential = "canary-5fd1c07e-token";
// Below the first pause before a repetition: nothing is asked twice, and no input takes longer.
constexpr std::chrono::milliseconds kTime{90};

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "store_replies: %s\n", what);
    std::abort();
  }
}

struct Reply {
  int status = 200;
  std::string body;
};

std::deque<Reply> replies;

Reply next_reply() {
  if (replies.empty()) {
    return {404, ""};
  }
  Reply reply = std::move(replies.front());
  replies.pop_front();
  return reply;
}

// --- libcurl, as far as Http uses it.

struct Handle {
  curl_write_callback write = nullptr, header = nullptr;
  void *write_data = nullptr, *header_data = nullptr, *owner = nullptr;
  long status = 0;
  CURLMsg message = {};
};

struct Pool {
  std::deque<Handle*> waiting, ended;
};

CURL* easy_init() { return new Handle; }
void easy_cleanup(CURL* handle) { delete static_cast<Handle*>(handle); }
const char* easy_strerror(CURLcode) { return "no connection"; }

CURLcode easy_setopt(CURL* curl, CURLoption option, ...) {
  Handle& handle = *static_cast<Handle*>(curl);
  va_list arguments;
  va_start(arguments, option);
  switch (option) {
    case CURLOPT_WRITEFUNCTION:
      handle.write = va_arg(arguments, curl_write_callback);
      break;
    case CURLOPT_HEADERFUNCTION:
      handle.header = va_arg(arguments, curl_write_callback);
      break;
    case CURLOPT_WRITEDATA:
      handle.write_data = va_arg(arguments, void*);
      break;
    case CURLOPT_HEADERDATA:
      handle.header_data = va_arg(arguments, void*);
      break;
    case CURLOPT_PRIVATE:
      handle.owner = va_arg(arguments, void*);
      break;
    default:
      break;
  }
  va_end(arguments);
  return CURLE_OK;
}

CURLcode easy_getinfo(CURL* curl, CURLINFO info, ...) {
  const Handle& handle = *static_cast<Handle*>(curl);
  va_list arguments;
  va_start(arguments, info);
  switch (info) {
    case CURLINFO_RESPONSE_CODE:
      *va_arg(arguments, long*) = handle.status;
      break;
    case CURLINFO_PRIVATE:
      *va_arg(arguments, void**) = handle.owner;
      break;
    default:
      break;
  }
  va_end(arguments);
  return CURLE_OK;
}

curl_slist* slist_append(curl_slist* list, const char*) {
  static curl_slist one = {};
  return list == nullptr ? &one : list;
}
void slist_free_all(curl_slist*) {}

CURLM* multi_init() { return reinterpret_cast<CURLM*>(new Pool); }
CURLMcode multi_cleanup(CURLM* multi) {
  delete reinterpret_cast<Pool*>(multi);
  return CURLM_OK;
}
CURLMcode multi_setopt(CURLM*, CURLMoption, ...) { return CURLM_OK; }
CURLMcode multi_add_handle(CURLM* multi, CURL* handle) {
  reinterpret_cast<Pool*>(multi)->waiting.push_back(static_cast<Handle*>(handle));
  return CURLM_OK;
}
CURLMcode multi_remove_handle(CURLM* multi, CURL* handle) {
  Pool& pool = *reinterpret_cast<Pool*>(multi);
  std::erase(pool.waiting, handle);
  std::erase(pool.ended, handle);
  return CURLM_OK;
}

CURLMcode multi_perform(CURLM* multi, int* active) {
  Pool& pool = *reinterpret_cast<Pool*>(multi);
  while (!pool.waiting.empty()) {
    Handle* const handle = pool.waiting.front();
    pool.waiting.pop_front();
    Reply reply = next_reply();
    handle->status = reply.status;
    std::string header = "X-Request: canary\r\n";
    handle->header(header.data(), 1, header.size(), handle->header_data);
    const bool taken = reply.body.empty() || handle->write(reply.body.data(), 1, reply.body.size(),
                                                           handle->write_data) == reply.body.size();
    handle->message.msg = CURLMSG_DONE;
    handle->message.easy_handle = handle;
    handle->message.data.result = taken ? CURLE_OK : CURLE_WRITE_ERROR;
    pool.ended.push_back(handle);
  }
  *active = 0;
  return CURLM_OK;
}

CURLMsg* multi_info_read(CURLM* multi, int* left) {
  Pool& pool = *reinterpret_cast<Pool*>(multi);
  *left = 0;
  return pool.ended.empty() ? nullptr : &pool.ended.front()->message;
}

CURLMcode multi_poll(CURLM*, curl_waitfd*, unsigned, int, int*) { return CURLM_OK; }
CURLMcode multi_wakeup(CURLM*) { return CURLM_OK; }

// --- The stores.

// A file that read_credential_file() takes: the user's own, nobody else's to write.
class CredentialFile {
 public:
  explicit CredentialFile(std::string_view text) : fd_(::memfd_create("shared", MFD_CLOEXEC)) {
    require(fd_ >= 0 && ::fchmod(fd_, 0600) == 0, "no memory file");
    require(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "a short write");
  }
  CredentialFile(const CredentialFile&) = delete;
  CredentialFile& operator=(const CredentialFile&) = delete;
  ~CredentialFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

struct Store {
  std::vector<std::string> variables;
  std::vector<std::string> references;
  std::string config = {};  // of AWS; "-": the first reply's body
};

const std::vector<Store>& stores() {
  const std::string token(kCredential);
  static const std::vector<Store> all = {
      {{"VAULT_ADDR=http://localhost", "VAULT_TOKEN=" + token},
       {"vault://secret/app#password", "vault://database/creds/app#username"}},
      {{"DOPPLER_API_HOST=http://localhost", "DOPPLER_TOKEN=" + token},
       {"doppler://shop/dev/PASSWORD", "doppler://shop/prd/OTHER"}},
      {{"INFISICAL_DOMAIN=http://localhost", "INFISICAL_TOKEN=" + token},
       {"infisical://p1/dev/URL", "infisical://p1/dev/api/KEY"}},
      {{"INFISICAL_DOMAIN=http://localhost", "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID=id-1",
        "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET=" + token},
       {"infisical://p1/dev/URL"}},
      {{"OP_CONNECT_HOST=http://localhost", "OP_CONNECT_TOKEN=" + token},
       {"op://Dev/db/password", "op://Dev/db/Admin/pin"}},
      {{"OP_SERVICE_ACCOUNT_TOKEN=" + token}, {"op://Dev/db/password"}},
      {{"OP_SERVICE_ACCOUNT_TOKEN=" + token}, {"op://Dev/db/password", "op://Dev/db/user"}},
      {{"PASSWORD_STORE_DIR=/nonexistent"}, {"pass://shop/db", "pass://shop/db#user"}},
      {{"AWS_ACCESS_KEY_ID=AKIA1", "AWS_SECRET_ACCESS_KEY=" + token},
       {"aws-sm://prod/db#password", "aws-sm://prod/other"}},
      {{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://localhost"}, {"aws-sm://prod/db#password"}},
      {{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost/c",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + token},
       {"aws-sm://prod/db#password"}},
      {{"AWS_EC2_METADATA_DISABLED=true"},
       {"aws-sm://prod/db#password"},
       "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n[profile base]\n"
       "aws_access_key_id = AKIA1\naws_secret_access_key = " +
           token + "\n"},
      {{"AWS_EC2_METADATA_DISABLED=true"},
       {"aws-sm://prod/db#password"},
       "[default]\ncredential_process = keys \"two words\"\n"},
      {{"AWS_EC2_METADATA_DISABLED=true"}, {"aws-sm://prod/db#password"}, "-"},
  };
  return all;
}

std::unique_ptr<Backend> backend_of(std::string_view scheme, const char* const* environment) {
  if (scheme == "vault") {
    return std::make_unique<VaultBackend>(Environment(environment));
  }
  if (scheme == "doppler") {
    return std::make_unique<DopplerBackend>(Environment(environment));
  }
  if (scheme == "infisical") {
    return std::make_unique<InfisicalBackend>(Environment(environment));
  }
  if (scheme == "op") {
    return std::make_unique<OpBackend>(OpBackend::Options{environment, {"/nonexistent"}});
  }
  if (scheme == "pass") {
    return std::make_unique<PassBackend>(ToolOptions{environment, {"/nonexistent"}});
  }
  return std::make_unique<AwsSecretsBackend>(Environment(environment),
                                             std::vector<std::string>{"/nonexistent"});
}

void read_replies(std::string_view text) {
  replies.clear();
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find("\n--\n"));
    text.remove_prefix(std::min(one.size() + 4, text.size()));
    const std::size_t line = std::min(one.find('\n'), one.size());
    replies.push_back({std::atoi(std::string(one.substr(0, line)).c_str()) % 1000,
                       std::string(one.substr(std::min(line + 1, one.size())))});
  }
}

// `known`: whether the store was given the credential; else the input itself brought it.
void check(const Answer& answer, bool known) {
  if (const auto* failed = std::get_if<Failed>(&answer)) {
    const std::string said = failed->message + "\n" + failed->hint;
    require(!known || said.find(kCredential) == std::string::npos,
            "an error that quotes a credential");
    for (const char c : failed->message) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error that drives terminals");
    }
  }
}

}  // namespace

namespace agentbox::resolver {

const CurlLibrary& curl_library() {
  static const CurlLibrary library = {
      easy_init,     easy_cleanup, easy_setopt,      easy_getinfo,
      easy_strerror, slist_append, slist_free_all,   multi_init,
      multi_cleanup, multi_setopt, multi_add_handle, multi_remove_handle,
      multi_perform, multi_poll,   multi_info_read,  multi_wakeup};
  return library;
}

Finished run(const Command&, std::chrono::steady_clock::time_point) {
  const Reply reply = next_reply();
  Finished finished;
  finished.code = reply.status == 200 ? 0 : reply.status % 256;
  // What is after a byte 1 is on standard error.
  const std::size_t border = std::min(reply.body.find('\1'), reply.body.size());
  finished.output = Secret(std::string_view(reply.body).substr(0, border));
  finished.errors = reply.body.substr(std::min(border + 1, reply.body.size()));
  return finished;
}

Search find_program(std::string_view name, std::string_view, const std::vector<std::string>&) {
  // Of pass and gopass the one that is asked what it has.
  return name == "pass" ? Search() : Search{"/bin/" + std::string(name), "", "/bin"};
}

}  // namespace agentbox::resolver

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Store& store = stores()[data[0] % stores().size()];
  read_replies({reinterpret_cast<const char*>(data) + 1, size - 1});
  const CredentialFile config(store.config == "-" ? next_reply().body : store.config);
  std::vector<std::string> variables = store.variables;
  for (const char* variable :
       {"PATH=/bin", "HOME=/nonexistent", "AWS_REGION=us-east-1",
        "AWS_ENDPOINT_URL=http://localhost", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent/none"}) {
    variables.emplace_back(variable);
  }
  variables.push_back("AWS_CONFIG_FILE=" + config.path());
  std::vector<const char*> environment;
  for (const std::string& variable : variables) {
    environment.push_back(variable.c_str());
  }
  environment.push_back(nullptr);
  std::vector<Reference> references;
  for (const std::string& text : store.references) {
    references.push_back(parse_reference(text));
  }
  const auto backend = backend_of(references[0].scheme, environment.data());
  try {
    const std::vector<Answer> answers =
        backend->resolve(references, std::chrono::steady_clock::now() + kTime);
    require(answers.size() == references.size(), "another number of answers");
    for (const Answer& answer : answers) {
      check(answer, store.config != "-");
    }
  } catch (const agentbox::base::Error& error) {
    check(Failed{Failure::kUnavailable, error.what(), error.hint()}, store.config != "-");
  }
  for (const auto& lease : backend->take_leases()) {
    require(lease->name().find(kCredential) == std::string::npos,
            "a lease that names a credential");
  }
  return 0;
}
