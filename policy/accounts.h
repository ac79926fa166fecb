// Which variables say on whose account a store is asked, for the scopes that have one of their own.
#pragma once

#include "policy/document.h"

namespace agentbox::policy {

// Throws base::Error (kConfiguration) for a store without accounts, a variable that is not one of
// its credentials (the address of a server never is), and for credentials that are not complete.
void check_account(const Account& account);

}  // namespace agentbox::policy
