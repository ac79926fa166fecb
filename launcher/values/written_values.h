// Where values stand in texts of the usual forms. All pure and linear; none fails.
#pragma once

#include <string_view>

#include "launcher/values/collector.h"

namespace agentbox::values {

// JSON, also with comments or as flow style within YAML: strings and words, each under the key
// before it.
void json_values(std::string_view text, std::string_view key, Collector& collector);

// Names and values by the line: dotenv, shell, INI, TOML, YAML, properties, and what is like them;
// words of lines that are none of it. `source`: what is not quoted is an expression of a program,
// so that its name says nothing of it.
void line_values(std::string_view text, bool source, Collector& collector);

// netrc(5): words, where "password" is followed by one.
void netrc_values(std::string_view text, Collector& collector);

// pgpass of PostgreSQL: host:port:database:user:password, with `\:` and `\\`.
void pgpass_values(std::string_view text, Collector& collector);

}  // namespace agentbox::values
