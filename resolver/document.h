// A JSON document whose strings and numbers stay in locked memory.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::resolver {

// What a backend answered (RFC 8259). The parser's own buffers are ordinary memory that nobody
// wipes, so strings and numbers are cut out of the text before the parser sees it, and are decoded
// from the locked bytes when they are asked for. Names of members are not secret and are read as
// they are. Immutable, so thread-safe.
class Document {
 public:
  // A place in the document; it may be one that is not there. Valid as long as the Document.
  class Node {
   public:
    Node() = default;
    // The member or element; one that is not there if there is none, or if this is none.
    Node operator[](std::string_view name) const;
    Node operator[](std::size_t index) const;

    explicit operator bool() const { return json_ != nullptr && !json_->is_null(); }
    bool is_object() const { return json_ != nullptr && json_->is_object(); }
    bool is_array() const { return json_ != nullptr && json_->is_array(); }
    bool is_string() const;
    bool is_true() const { return json_ != nullptr && json_->is_boolean() && json_->get<bool>(); }
    std::size_t size() const { return is_object() || is_array() ? json_->size() : 0; }
    std::vector<std::string> names() const;  // of an object's members, sorted

    // Of a string its decoded text; of anything else that is there its JSON, without blanks and
    // with numbers exactly as they stood.
    std::optional<Secret> secret() const;
    // The same, for what is no secret: names, versions, messages. "" for what is not there.
    std::string text() const;
    long long integer() const;  // 0 for what is not a whole number of at most 18 digits

   private:
    friend class Document;
    Node(const Document* document, const nlohmann::json* json) : document_(document), json_(json) {}
    void append_json(SecretBuilder& to) const;
    std::string_view raw() const;  // of a string or a number, as it stands in the text

    const Document* document_ = nullptr;
    const nlohmann::json* json_ = nullptr;
  };

  // Nothing if the text is not JSON in UTF-8, or nested deeper than 64.
  static std::optional<Document> parse(Secret text);
  Node root() const { return {this, &json_}; }

 private:
  explicit Document(Secret text) : text_(std::move(text)) {}

  Secret text_;
  nlohmann::json json_;  // with the place of each string and number in its stead
};

// The text as a JSON string, quotes included.
void append_json_string(SecretBuilder& to, std::string_view text);

}  // namespace agentbox::resolver
