#include "policy/json_tree.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;
using Json = nlohmann::json;

constexpr std::size_t kLargestText = 1 << 20;
constexpr std::size_t kDeepest = 16;

// Where the text stands at `offset`, counting on from the offset asked before.
class Lines {
 public:
  Lines(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Place place(std::size_t offset) {
    offset = std::min(offset, text_.size());
    if (offset < at_) {
      at_ = start_ = 0;
      line_ = 1;
    }
    for (; at_ < offset; ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
        start_ = at_ + 1;
      }
    }
    return {file_, line_, at_ - start_ + 1};
  }

 private:
  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::size_t line_ = 1;
};

// The parser tells what it read but not where, so this walks the same text one token behind it:
// each event of the parser belongs to the next token that opens or is a value.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") {  // the parser skips a byte order mark, too
      at_ = 3;
    }
  }

  // The start of the next string, number, literal, '{' or '['.
  std::size_t next() {
    skip_between();
    const std::size_t start = at_;
    if (at_ >= text_.size()) {
      return start;
    }
    if (text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        at_ += text_[at_] == '\\' ? 1 : 0;
      }
      ++at_;
    } else if (text_[at_] == '{' || text_[at_] == '[') {
      ++at_;
    } else {
      at_ = std::min(text_.find_first_of(" \t\r\n,:{}[]\"/", at_ + 1), text_.size());
    }
    return start;
  }

 private:
  void skip_between() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\r\n,:}]").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (text_.substr(at_, 2) == "/*") {
        const std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  TreeBuilder(std::string_view text, const std::string& file)
      : text_(text), tokens_(text), lines_(text, file) {}

  JsonNode take() { return std::move(root_); }

  bool null() override { return scalar(JsonNode::Kind::kNull, {}); }
  bool boolean(bool value) override {
    add(JsonNode::Kind::kBoolean).boolean = value;
    return true;
  }
  bool number_integer(number_integer_t value) override {
    return scalar(JsonNode::Kind::kNumber, std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return scalar(JsonNode::Kind::kNumber, std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& written) override {
    return scalar(JsonNode::Kind::kNumber, written);
  }
  bool string(string_t& value) override {
    return scalar(JsonNode::Kind::kString, std::move(value));
  }
  bool binary(binary_t&) override { return false; }  // no such thing in JSON text
  bool start_object(std::size_t) override { return open(JsonNode::Kind::kObject); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(JsonNode::Kind::kList); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const Place place = lines_.place(tokens_.next());
    JsonNode& object = *open_.back();
    for (const JsonNode::Member& member : object.members) {
      if (member.name == name) {
        throw Error(Status::kConfiguration,
                    place.text() + ": the key \"" + base::printable(name) + "\" stands here again",
                    "it stands at " + member.place.text() + " already: keep one of the two");
      }
    }
    object.members.push_back({std::move(name), place, {}});
    return true;
  }

  bool parse_error(std::size_t position, const std::string& token,
                   const Json::exception&) override {
    // `position` counts the bytes read; the last of them is the one that did not fit.
    const std::size_t offset = position == 0 ? 0 : position - 1;
    const std::string found = token == "<U+0000>" || offset >= text_.size()
                                  ? "the text ends too early"
                                  : "unexpected \"" + base::printable(last_of(token)) + "\"";
    const bool closes = !token.empty() && (token.back() == ']' || token.back() == '}');
    throw Error(Status::kConfiguration, lines_.place(offset).text() + ": not valid JSON: " + found,
                closes ? "remove the comma in front of it"
                       : "check for a missing comma, quote or bracket just before this place");
  }

 private:
  // What the parser gives on as the token that failed may begin further up.
  static std::string last_of(const std::string& token) {
    constexpr std::size_t kShown = 24;
    return token.size() > kShown ? token.substr(token.size() - kShown) : token;
  }

  JsonNode& add(JsonNode::Kind kind) {
    JsonNode* node = &root_;
    if (!open_.empty()) {
      JsonNode& parent = *open_.back();
      if (parent.kind == JsonNode::Kind::kList) {
        node = &parent.items.emplace_back();
      } else {
        node = &parent.members.back().value;
      }
    }
    node->kind = kind;
    node->place = lines_.place(tokens_.next());
    return *node;
  }

  bool scalar(JsonNode::Kind kind, std::string value) {
    add(kind).text = std::move(value);
    return true;
  }

  bool open(JsonNode::Kind kind) {
    JsonNode& node = add(kind);
    if (open_.size() >= kDeepest) {
      throw Error(Status::kConfiguration,
                  node.place.text() + ": nested deeper than " + std::to_string(kDeepest),
                  "no key of a policy needs that; see docs/policy.md");
    }
    open_.push_back(&node);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  Tokens tokens_;
  Lines lines_;
  JsonNode root_;
  // A parent's vectors grow only while its last child is closed, so these stay valid.
  std::vector<JsonNode*> open_;
};

}  // namespace

const char* kind_name(JsonNode::Kind kind) {
  switch (kind) {
    case JsonNode::Kind::kNull:
      return "null";
    case JsonNode::Kind::kBoolean:
      return "true or false";
    case JsonNode::Kind::kNumber:
      return "a number";
    case JsonNode::Kind::kString:
      return "a string";
    case JsonNode::Kind::kList:
      return "a list";
    case JsonNode::Kind::kObject:
      return "an object";
  }
  return "nothing";
}

JsonNode parse_json(std::string_view text, const std::string& file) {
  if (text.size() > kLargestText) {
    throw Error(Status::kConfiguration, file + ":1:1: larger than 1 MiB",
                "a policy is a short list of rules; keep other data elsewhere");
  }
  // The parser takes a NUL for the end, and would not look at what comes after it.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(Status::kConfiguration,
                Lines(text, file).place(nul).text() + ": not valid JSON: a NUL byte", "remove it");
  }
  TreeBuilder builder(text, file);
  Json::sax_parse(text.begin(), text.end(), &builder, Json::input_format_t::json, true, true);
  return builder.take();
}

}  // namespace agentbox::policy
