// Kinds whose form code of its own knows.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr SecretKind kKinds[kForms] = {
    {"private-key", "Private key (PEM, OpenSSH, SSH2)"},
    {"pgp-private-key", "PGP private key"},
    {"putty-private-key", "PuTTY private key"},
    {"gcp-service-account", "Google service account key"},
    {"json-web-key", "Private JSON Web Key"},
    {"jwt", "JSON Web Token"},
    {"url-password", "Password in a URL"},
    {"database-url", "Password in a database's or broker's URL"},
    {"basic-authorization", "HTTP Basic credentials"},
    {"bearer-authorization", "HTTP bearer token"},
    {"registry-login", "Container registry login"},
    {"npm-credential", "npm registry credential"},
    {"netrc-password", "Password in a .netrc"},
    {"pgpass-password", "Password in a .pgpass"},
    {"kubernetes-secret", "Value in a Kubernetes secret or kubeconfig"},
    {"master-key", "Key file of 32 hexadecimal digits"},
    {"connection-string", "Password in a connection string"},
    {"command-line-password", "Password on a command line"},
    {"discord-bot-token", "Discord bot token where a bot logs in"},
    {"password", "Password by its name"},
    {"secret", "Secret by its name"},
};

}  // namespace

const SecretKind& form_kind(Form form) { return kKinds[form]; }

}  // namespace agentbox::policy::detect
