// Passwords in URLs (RFC 3986, 3.2.1), and those of databases and brokers.
#include <algorithm>

#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"
#include "policy/detector/wording.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kLongestUserInfo = 512;  // bytes

constexpr std::string_view kStores[] = {
    "postgres",  "postgresql", "mysql",       "mysql2",     "mariadb",       "mongodb",
    "srv",       "redis",      "rediss",      "amqp",       "amqps",         "mssql",
    "sqlserver", "oracle",     "cockroachdb", "clickhouse", "cassandra",     "couchbase",
    "neo4j",     "bolt",       "nats",        "kafka",      "stomp",         "mqtt",
    "mqtts",     "memcached",  "influxdb",    "snowflake",  "redshift",      "psycopg2",
    "asyncpg",   "pymysql",    "jdbc",        "db2",        "elasticsearch", "ldap",
    "ldaps",     "valkey",     "s",           "pyodbc",     "aiomysql",      "psycopg",
    "mysqldb",   "sqlalchemy", "prisma",      "libsql",     "timescale",     "vertica",
    "trino",
};

bool ends_user_info(char c) {
  return is(c, kSpace | kControl) || c == '\n' || c == '\r' || c == '"' || c == '\'' || c == '`' ||
         c == '<' || c == '>' || c == '\\';
}

bool is_url_password(std::string_view scheme, std::string_view user, std::string_view password,
                     std::string_view host) {
  if (password.size() < 3 || is_reference(password) || password.find('$') == 0) {
    return false;
  }
  static constexpr std::string_view kCommon[] = {"pass",   "password", "passwd",
                                                 "secret", "pwd",      "pw"};
  const bool common =
      std::any_of(std::begin(kCommon), std::end(kCommon), [&](std::string_view word) {
        return word.size() == password.size() && begins_with(password, word);
      });
  if (common || is_placeholder(password)) {
    return false;
  }
  if (user == password || (password.starts_with("{") || password.starts_with("<") ||
                           password.starts_with("[") || password.starts_with("]"))) {
    return false;
  }
  // A user's token and no password: "https://x-access-token:TOKEN@", found as such by its form,
  // too.
  const bool letters_only =
      std::all_of(password.begin(), password.end(), [](char c) { return is(c, kLetter); });
  const bool example_host =
      contains(host, "example.") || begins_with(host, "host") || contains(host, "your");
  if (letters_only && (password.size() < 8 || example_host) && strangeness(password) < 0.4) {
    return false;
  }
  // "10:30@home", "npm:package@1.2"
  if (std::all_of(password.begin(), password.end(), [](char c) { return is(c, kDigit); }) &&
      password.size() < 6) {
    return false;
  }
  return !scheme.empty();
}

// At "://".
void url(Scan& scan, std::size_t begin, std::size_t end) {
  const std::string_view text = scan.text;
  constexpr std::size_t kLongestScheme = 40;
  std::size_t scheme_at = begin;
  while (
      scheme_at > 0 && begin - scheme_at < kLongestScheme &&
      (is(text[scheme_at - 1], kAlnum | kPlusSlash | kDash | kDot) && text[scheme_at - 1] != '/')) {
    --scheme_at;
  }
  std::size_t colon = text.npos, at_sign = text.npos;
  std::size_t i = end;
  for (; i < text.size() && i - end < kLongestUserInfo && !ends_user_info(text[i]); ++i) {
    const char c = text[i];
    if (c == '@' && colon != text.npos) {
      at_sign = i;  // the last before the host counts
      continue;
    }
    if (c == ':' && colon == text.npos) {
      colon = i;
      continue;
    }
    if (colon == text.npos && std::string_view("/?#,)]}[@").find(c) != std::string_view::npos) {
      return;
    }
    if (c == '/' || c == '?' || c == '#') {
      if (at_sign != text.npos) {
        break;
      }
      // A raw "/" in a password is what people write, though they may not; but after "host:port"
      // comes a path.
      const std::string_view port = text.substr(colon + 1, i - colon - 1);
      if (std::all_of(port.begin(), port.end(), [](char d) { return is(d, kDigit); })) {
        return;
      }
    }
  }
  if (colon == text.npos || at_sign == text.npos || at_sign < colon + 2) {
    return;
  }
  const std::string_view scheme = text.substr(scheme_at, begin - scheme_at);
  const std::string_view user = text.substr(end, colon - end);
  const std::string_view password = text.substr(colon + 1, at_sign - colon - 1);
  const std::string_view host = text.substr(at_sign + 1, 64);
  if (host.empty() ||
      !(is(host[0], kAlnum) || host[0] == '[' || host[0] == '$' || host[0] == '{' ||
        host[0] == '(' || host[0] == '/' || host[0] == '%' || host[0] == '<' || host[0] == ':') ||
      !is_url_password(scheme, user, password, host)) {
    return;
  }
  const std::string_view family = scheme.substr(0, scheme.find('+'));
  const bool store =
      std::any_of(std::begin(kStores), std::end(kStores), [&](std::string_view store_name) {
        return (store_name.size() == family.size() && begins_with(family, store_name));
      });
  if ((!store && user.empty() && !looks_random(password)) || is_template(password)) {
    return;  // "cvs://:pserver:anoncvs@"
  }
  if (scan.is_in_binary(begin) &&
      (user.size() + password.size() < 10 || is_common_password(password) ||
       (strangeness(password) < 0.3 &&
        std::none_of(password.begin(), password.end(), [](char c) { return is(c, kDigit); })))) {
    return;  // of a program's own messages
  }
  scan.add(colon + 1, at_sign, form_kind(store ? kDatabaseUrlPassword : kUrlPassword), kByForm);
}

// Go's driver for MySQL has no scheme: "user:password@tcp(host:3306)/db".
void go_mysql(Scan& scan, std::size_t begin, std::size_t) {
  const std::string_view text = scan.text;
  std::size_t colon = begin;
  while (colon > 0 && begin - colon < 128 && text[colon - 1] != ':' &&
         !ends_user_info(text[colon - 1])) {
    --colon;
  }
  if (colon == 0 || text[colon - 1] != ':' || colon < 2 || !is(text[colon - 2], kWord)) {
    return;
  }
  const std::string_view password = text.substr(colon, begin - colon);
  if (is_url_password("mysql", "", password, "")) {
    scan.add(colon, begin, form_kind(kDatabaseUrlPassword), kByForm);
  }
}

// "jdbc:oracle:thin:user/password@host".
void oracle(Scan& scan, std::size_t, std::size_t end) {
  const std::string_view rest = scan.text.substr(end, 128);
  const std::size_t slash = rest.find_first_of("/@ \n\"'");
  if (slash == rest.npos || slash == 0 || rest[slash] != '/') {
    return;
  }
  const std::size_t at_sign = rest.find_first_of("@ \n\"'", slash);
  if (at_sign == rest.npos || rest[at_sign] != '@') {
    return;
  }
  const std::string_view password = rest.substr(slash + 1, at_sign - slash - 1);
  if (is_url_password("oracle", rest.substr(0, slash), password, rest.substr(at_sign + 1))) {
    scan.add(end + slash + 1, end + at_sign, form_kind(kDatabaseUrlPassword), kByForm);
  }
}

constexpr FormTrigger kTriggers[] = {
    {"jdbc:oracle:thin:", false, oracle},
    {"://", false, url},
    {"@tcp(", false, go_mysql},
    {"@unix(", false, go_mysql},
};

}  // namespace

std::span<const FormTrigger> url_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
