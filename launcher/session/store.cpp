#include "launcher/session/store.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "resolver/backends/aws_secrets.h"
#include "resolver/backends/exec.h"
#include "resolver/backends/local.h"
#include "resolver/backends/op.h"
#include "resolver/backends/pass.h"
#include "resolver/backends/sops.h"
#include "resolver/writers/op_connect_writer.h"
#include "resolver/writers/op_writer.h"
#include "resolver/writers/vault_writer.h"

namespace agentbox::session {

namespace {

std::string store_directory() { return base::state_directory() + "/local"; }

resolver::Secret ask_passphrase() { return ask_secret("Passphrase of the local store: "); }

resolver::Secret ask_new_passphrase() {
  resolver::Secret first = ask_secret("New passphrase of the local store: ");
  if (!resolver::equal(first, ask_secret("The same once more: "))) {
    throw base::Error(base::Status::kConfiguration, "the two passphrases differ; nothing was made");
  }
  return first;
}

// Echo off for as long as this lives.
class Quiet {
 public:
  explicit Quiet(int terminal) : terminal_(terminal) {
    base::check(::tcgetattr(terminal, &before_), "read the terminal's settings");
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    base::check(::tcsetattr(terminal, TCSAFLUSH, &quiet), "turn the terminal's echo off");
  }
  ~Quiet() { ::tcsetattr(terminal_, TCSAFLUSH, &before_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  int terminal_;
  termios before_ = {};
};

}  // namespace

resolver::LocalStore open_local_store() {
  return resolver::LocalStore(store_directory(), ask_passphrase);
}

void create_passphrase_store() {
  resolver::LocalStore(store_directory(), ask_new_passphrase)
      .create(resolver::LocalStore::Key::kPassphrase);
}

resolver::Resolver make_resolver(const Project& project, Ask ask,
                                 std::shared_ptr<const resolver::Account> account) {
  resolver::Resolver resolver(std::move(account));
  if (ask == Ask::kTerminal) {
    resolver.add("local",
                 std::make_shared<resolver::LocalBackend>(store_directory(), ask_passphrase));
  }
  resolver::OpBackend::Options options{resolver.variables(),
                                       {project.root, project.working_directory}};
  resolver.add("aws-sm", std::make_shared<resolver::AwsSecretsBackend>(
                             resolver::Environment(resolver.variables()), options.avoid));
  const resolver::ToolOptions tools{environ, options.avoid};
  resolver.add("exec", std::make_shared<resolver::ExecBackend>(tools));
  resolver.add("pass", std::make_shared<resolver::PassBackend>(tools));
  resolver.add("sops", std::make_shared<resolver::SopsBackend>(project.root));
  resolver.add("op", std::make_shared<resolver::OpBackend>(std::move(options)));
  return resolver;
}

std::unique_ptr<resolver::Writer> make_writer(const StorePlace& place, const Project& project) {
  const auto refuse = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) {
      throw base::Error(base::Status::kFailed, option + " does not go with --to " + place.store);
    }
  };
  if (place.store == "vault") {
    refuse("--vault", place.vault);
    refuse("--item", place.item);
    return std::make_unique<resolver::VaultWriter>(place.path.empty() ? "secret/" + place.project
                                                                      : place.path);
  }
  if (place.store != "op") {
    throw base::Error(base::Status::kFailed,
                      "import cannot write to " + base::printable(place.store),
                      "it writes to local, op and vault; for another store, put the value there "
                      "with its own program and its reference into the file");
  }
  refuse("--path", place.path);
  resolver::OpPlace item{place.vault.empty() ? "Private" : place.vault,
                         place.item.empty() ? place.project : place.item};
  if (resolver::OpConnectBackend().configured()) {
    return std::make_unique<resolver::OpConnectWriter>(std::move(item));
  }
  return std::make_unique<resolver::OpWriter>(
      std::move(item), resolver::ToolOptions{environ, {project.root, project.working_directory}});
}

resolver::Secret ask_secret(const char* prompt) {
  const base::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal) {
    throw base::Error(base::Status::kFailed, "there is no terminal to ask for a secret on",
                      "give the value on standard input, or run the command in a terminal");
  }
  base::write_all(terminal.get(), prompt);
  resolver::SecretBuilder line;
  {
    const Quiet quiet(terminal.get());
    char c = 0;
    while (::read(terminal.get(), &c, 1) == 1 && c != '\n') {
      line.append({&c, 1});
    }
  }
  base::write_all(terminal.get(), "\n");
  return line.take();
}

}  // namespace agentbox::session
