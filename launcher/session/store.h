// The user's own backends: the local encrypted store, and which programs may be run.
#pragma once

#include <memory>
#include <string>

#include "launcher/session/project.h"
#include "resolver/local_store.h"
#include "resolver/resolver.h"
#include "resolver/writers/writer.h"

namespace agentbox::session {

// STATE/local; a passphrase, where the store has one, is asked for on the terminal.
resolver::LocalStore open_local_store();
// Makes it, with a new passphrase from the terminal. One that exists is an Error.
void create_passphrase_store();

// Whether a store may ask for its passphrase on the terminal.
enum class Ask { kTerminal, kNever };

// The user's own account, as all that no scope has a say in.
inline const std::shared_ptr<const resolver::Account> kUsersOwn = nullptr;

// A resolver for this session: local:// from that store, others by programs that are not below the
// project, on that account, or the user's own. Nothing is opened before the first reference.
// The account has no default: where find_account() is forgotten, a scope that has one of its own
// would silently be served on the user's.
resolver::Resolver make_resolver(const Project& project, Ask ask,
                                 std::shared_ptr<const resolver::Account> account);

// Where values are to be put in a store other than the local one.
struct StorePlace {
  std::string store;                // "op", "vault"
  std::string vault, item;          // of 1Password; empty: Private, and the project's name
  std::string path;                 // of Vault; empty: secret/ and the project's name
  std::string project = "project";  // a plain name
};

// Throws base::Error for a store that is not written to, or an option that is not its own.
std::unique_ptr<resolver::Writer> make_writer(const StorePlace& place, const Project& project);

// Reads one line from the controlling terminal without echo. Throws base::Error if there is none.
resolver::Secret ask_secret(const char* prompt);

}  // namespace agentbox::session
