// The local encrypted store, opened for this user.
#pragma once

#include "resolver/local_store.h"
#include "resolver/resolver.h"

namespace agentbox::session {

// STATE/local; a passphrase, where the store has one, is asked for on the terminal.
resolver::LocalStore open_local_store();

// Lets `resolver` resolve local:// from it. Nothing is opened before the first reference.
void add_local_store(resolver::Resolver& resolver);

// Reads one line from the controlling terminal without echo. Throws base::Error if there is none.
resolver::Secret ask_secret(const char* prompt);

}  // namespace agentbox::session
