// JSON with comments, each value with its place: what document.cpp reads keys and values from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/document.h"

namespace agentbox::policy {

struct JsonNode {
  enum class Kind { kNull, kBoolean, kNumber, kString, kList, kObject };

  struct Member;

  Kind kind = Kind::kNull;
  Place place;
  bool boolean = false;
  std::string text;             // a string's bytes, or a number as written
  std::vector<JsonNode> items;  // of a list
  std::vector<Member> members;  // of an object, in order; names are unique
};

struct JsonNode::Member {
  std::string name;
  Place place;  // of the name
  JsonNode value;
};

// "a list", "a string", … for messages.
const char* kind_name(JsonNode::Kind kind);

// Throws base::Error (kConfiguration), the text beginning with FILE:LINE:COLUMN, for anything that
// is not one JSON value (RFC 8259) with // and /* */ comments, for a repeated key, for more than
// 1 MiB and for nesting deeper than 16. Columns count bytes from 1. Pure.
JsonNode parse_json(std::string_view text, const std::string& file);

}  // namespace agentbox::policy
