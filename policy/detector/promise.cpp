#include "policy/detector/promise.h"

#include <algorithm>

#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

namespace {

template <std::size_t n>
bool ends_in_any(std::string_view folded, const std::string_view (&endings)[n]) {
  return std::any_of(std::begin(endings), std::end(endings),
                     [&](std::string_view ending) { return folded.ends_with(ending); });
}

template <std::size_t n>
bool holds_any(std::string_view folded, const std::string_view (&parts)[n]) {
  return std::any_of(std::begin(parts), std::end(parts),
                     [&](std::string_view part) { return folded.find(part) != folded.npos; });
}

// Of something about the secret.
constexpr std::string_view kAbout[] = {
    "id",        "ids",         "name",      "names",      "file",         "path",
    "url",       "uri",         "type",      "types",      "length",       "len",
    "size",      "count",       "limit",     "limits",     "expiry",       "expires",
    "expiresin", "expiration",  "expiresat", "ttl",        "timeout",      "endpoint",
    "policy",    "field",       "fields",    "label",      "placeholder",  "hint",
    "regex",     "regexp",      "pattern",   "prefix",     "suffix",       "format",
    "ref",       "reference",   "arn",       "version",    "manager",      "provider",
    "class",     "header",      "param",     "store",      "index",        "text",
    "title",     "message",     "error",     "errors",     "enabled",      "disabled",
    "required",  "strength",    "digest",    "hash",       "hashes",       "hashed",
    "checksum",  "fingerprint", "input",     "page",       "form",         "validator",
    "rotation",  "age",         "rule",      "rules",      "kind",         "method",
    "mode",      "algorithm",   "algo",      "env",        "envvar",       "var",
    "variable",  "description", "desc",      "help",       "info",         "status",
    "state",     "source",      "dir",       "directory",  "location",     "host",
    "port",      "scope",       "scopes",    "audience",   "issuer",       "user",
    "username",  "email",       "column",    "table",      "selector",     "button",
    "link",      "icon",        "reset",     "confirm",    "confirmation", "callback",
    "handler",   "service",     "factory",   "builder",    "parser",       "reader",
    "helper",    "utils",       "util",      "test",       "tests",        "spec",
    "bits",      "chars",       "charset",   "alphabet",   "keys",         "encoding",
    "curve",     "usage",       "code",      "event",      "action",       "attempts",
    "tries",     "retries",     "lifetime",  "validity",   "created",      "updated",
    "createdat", "updatedat",   "position",  "offset",     "start",        "end",
    "value2",    "locator",     "xpath",     "css",        "aria",         "attr",
    "attribute", "map",         "keyword",   "keywords",   "keycode",      "keypath",
    "keystroke", "keyboard",    "author",    "authors",    "authority",    "grant",
    "flow",      "strategy",    "guard",     "middleware", "module",       "plugin",
};

// Names in which the keyword is another word, or says that all may know.
constexpr std::string_view kOther[] = {
    "public",
    "pubkey",
    "publishable",
    "csrf",
    "xsrf",
    "locktoken",
    "changetoken",
    "requesttoken",
    "actiontoken",
    "startingtoken",
    "exporttoken",
    "confirmtoken",
    "nonce",
    "cachekey",
    "primarykey",
    "foreignkey",
    "sortkey",
    "partitionkey",
    "keyboard",
    "monkey",
    "keyframe",
    "hotkey",
    "turkey",
    "tokeniz",
    "passage",
    "passenger",
    "passthr",
    "bypass",
    "compass",
    "passive",
    "passed",
    "sitekey",
    "idempotency",
    "etag",
    "integrity",
    "objectkey",
    "indexkey",
    "routekey",
    "groupkey",
    "itemkey",
    "rowkey",
    "columnkey",
    "languagekey",
    "translationkey",
    "i18nkey",
    "messagekey",
    "eventkey",
    "pagetoken",
    "nextpage",
    "nexttoken",
    "continuationtoken",
    "cancel",
    "cryptotoken",
    "tokenaddress",
    "hashkey",
    "keyid",
    "mapkey",
    "storagekey",
    "localstoragekey",
    "querykey",
    "shortcut",
    "authorname",
    "coauthor",
    "secretary",
    "whiskey",
    "donkey",
    "hockey",
    "jockey",
    "keynote",
    "keyring",
    "sshpublic",
    "hostkey",
    "knownhosts",
    "keychain",
    "wrappedkey",
    "encryptedkey",
    "encryptedpassword",
    "passwordhash",
    "hashedpassword",
    "fingerprint",
    "checksum",
    "sha256",
    "sha512",
    "sha1",
    "md5",
    "digest",
    "commit",
    "revision",
    "surpass",
    "trespass",
    "pageaccess",
    "synctoken",
    "clienttoken",
    "resumetoken",
    "cursor",
};

constexpr std::string_view kPasswords[] = {
    "password", "passwd",     "passphrase", "passwort",     "passcode",   "pwd",
    "pswd",     "motdepasse", "contrasena", "requirepass",  "masterauth", "passwrd",
    "psswd",    "bindpw",     "rootpw",     "presharedkey", "storepass",  "keypass",
    "dbpass",   "userpass",   "sshpass",    "rpcpass",      "becomepass",
};

constexpr std::string_view kSecrets[] = {
    "secret",
    "credential",
    "credentials",
    "creds",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "secretkey",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "bearertoken",
    "apitoken",
    "servicekey",
    "accountkey",
    "adminkey",
    "sessionkey",
    "deploykey",
    "webhookkey",
    "licensekey",
    "licencekey",
    "cipherkey",
    "cryptokey",
    "hmackey",
    "jwtkey",
    "sharedkey",
    "storagekey",
    "deploytoken",
    "bottoken",
    "personalaccess",
    "usertoken",
    "logintoken",
    "sessiontoken",
    "securitytoken",
    "idtoken",
    "appkey",
    "applicationkey",
    "ingestkey",
    "ingestionkey",
    "writekey",
    "readkey",
    "integrationkey",
    "routingkey",
    "functionkey",
    "subscriptionkey",
    "primarykeysecret",
    "aeskey",
    "deskey",
    "rsakey",
    "symmetrickey",
    "keysecret",
    "xapikey",
    "servertoken",
    "githubtoken",
    "npmtoken",
    "runnertoken",
    "registrationtoken",
    "hmac",
    "jwtsecret",
    "cookiesecret",
    "signaturekey",
    "instrumentationkey",
    "authsecret",
    "pepper",
    "seed",
    "mnemonic",
    "decryptionkey",
    "validationkey",
    "machinekey",
    "xauthtoken",
    "privatetoken",
    "jobtoken",
    "oauthtoken",
    "tokensecret",
    "clientkey",
    "dbkey",
    "fernetkey",
};

// Whether the last word of the name is `word` ("DB_PASS", "dbPass"; not "bypass").
bool ends_in_word(std::string_view name, std::string_view word) {
  if (!ends_with(name, word)) {
    return false;
  }
  if (name.size() == word.size()) {
    return true;
  }
  const char before = name[name.size() - word.size() - 1], first = name[name.size() - word.size()];
  return !is(before, kLetter) || (is(before, kLower) && is(first, kUpper));
}

}  // namespace

Promise promise_of(std::string_view name, std::string_view folded) {
  // A number behind it counts them: "password2".
  while (!folded.empty() && is(folded.back(), kDigit) && folded.size() > 4) {
    folded.remove_suffix(1);
  }
  while (!name.empty() && (is(name.back(), kDigit) || name.back() == '_') && name.size() > 4) {
    name.remove_suffix(1);
  }
  if (ends_in_any(folded, kPasswords) || ends_in_word(name, "pass") || ends_in_word(name, "pw") ||
      ends_in_word(name, "psk")) {
    return folded.find("public") == folded.npos && folded.find("hash") == folded.npos &&
                   folded.find("encrypted") == folded.npos && !folded.starts_with("no") &&
                   !folded.starts_with("show")
               ? Promise::kPassword
               : Promise::kNone;
  }
  if (holds_any(folded, kOther)) {
    return Promise::kNone;
  }
  if (ends_in_any(folded, kSecrets)) {
    return Promise::kSecret;
  }
  if (ends_in_any(folded, kAbout)) {
    return Promise::kNone;
  }
  if (folded.ends_with("token") || holds_any(folded, kSecrets)) {
    return Promise::kSecret;
  }
  if (holds_any(folded, kPasswords)) {
    return Promise::kPassword;
  }
  return Promise::kWeak;
}

}  // namespace agentbox::policy::detect
