#include "resolver/sops_text.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace agentbox::resolver {

namespace {

using Tree = nlohmann::ordered_json;

constexpr int kDeepest = 64;

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error(base::Status::kConfiguration, what, "look at it with `sops`");
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The number that the whole text is; null if it is none.
template <typename Number>
Tree number_of(const char* from, const char* end, Number number) {
  const auto [stop, error] = std::from_chars(from, end, number);
  if (error == std::errc::result_out_of_range) {
    refuse("a number in it is out of range");
  }
  return error == std::errc() && stop == end ? Tree(number) : Tree(nullptr);
}

// As YAML 1.2's core schema reads a plain scalar. What YAML 1.1 and go-yaml read in other ways
// (octal and hexadecimal numbers, dates) stays a text here, and the MAC tells.
Tree plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  std::string_view number = text;
  if (number.front() == '-' || number.front() == '+') {
    number.remove_prefix(1);
  }
  const bool padded = number.size() > 1 && number.front() == '0' && number[1] != '.';
  const char* from = text.data() + (text.front() == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (all_digits(number) && !padded) {
    return number_of(from, end, whole);
  }
  double real = 0;
  if (!number.empty() && number.find_first_not_of("0123456789.eE+-") == std::string_view::npos &&
      (number.front() == '.' || (number.front() >= '0' && number.front() <= '9')) &&
      !all_digits(number)) {
    const Tree tree = number_of(from, end, real);
    return tree.is_null() ? Tree(text) : tree;
  }
  return text;
}

class YamlReader {
 public:
  explicit YamlReader(const std::string& text) : parser_(new yaml_parser_t, free_parser) {
    if (::yaml_parser_initialize(parser_.get()) == 0) {
      refuse("no memory to read YAML");
    }
    ::yaml_parser_set_input_string(
        parser_.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }

  Tree read() {
    Tree tree;
    bool seen = false;
    for (;;) {
      const Event event = next();
      if (event->type == YAML_STREAM_END_EVENT) {
        return tree;
      }
      if (event->type == YAML_DOCUMENT_START_EVENT) {
        if (seen) {
          refuse("it holds several YAML documents");
        }
        seen = true;
        tree = node(next(), 0);
      }
    }
  }

 private:
  static void free_parser(yaml_parser_t* parser) {
    ::yaml_parser_delete(parser);
    delete parser;
  }
  static void free_event(yaml_event_t* event) {
    ::yaml_event_delete(event);
    delete event;
  }
  using Event = std::unique_ptr<yaml_event_t, decltype(&free_event)>;

  Event next() {
    Event event(new yaml_event_t{}, free_event);
    if (::yaml_parser_parse(parser_.get(), event.get()) == 0) {
      refuse("line " + std::to_string(parser_->problem_mark.line + 1) + " is not YAML");
    }
    return event;
  }

  static std::string text_of(const Event& event) {
    return {reinterpret_cast<const char*>(event->data.scalar.value), event->data.scalar.length};
  }

  Tree node(const Event& event, int depth) {
    if (depth > kDeepest) {
      refuse("it is nested too deeply");
    }
    switch (event->type) {
      case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != nullptr || event->data.scalar.tag != nullptr) {
          refuse("it uses YAML's anchors or tags");
        }
        return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text_of(event))
                                                                   : Tree(text_of(event));
      case YAML_SEQUENCE_START_EVENT: {
        Tree list = Tree::array();
        for (Event item = next(); item->type != YAML_SEQUENCE_END_EVENT; item = next()) {
          list.push_back(node(item, depth + 1));
        }
        return list;
      }
      case YAML_MAPPING_START_EVENT: {
        Tree map = Tree::object();
        for (Event key = next(); key->type != YAML_MAPPING_END_EVENT; key = next()) {
          if (key->type != YAML_SCALAR_EVENT) {
            refuse("a key in it is no text");
          }
          const std::string name = text_of(key);
          if (name == "<<" || map.contains(name)) {
            refuse(name == "<<" ? "it uses YAML's merge keys" : "a key stands in it twice");
          }
          map[name] = node(next(), depth + 1);
        }
        return map;
      }
      default:
        refuse("it uses YAML's aliases");
    }
  }

  std::unique_ptr<yaml_parser_t, decltype(&free_parser)> parser_;
};

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

template <typename Take>
void each_line(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void put(Tree& tree, std::string_view key, std::string value) {
  if (tree.contains(std::string(key))) {
    refuse("a key stands in it twice");
  }
  tree[std::string(key)] = std::move(value);
}

}  // namespace

Tree read_sops_yaml(const std::string& text) { return YamlReader(text).read(); }

Tree read_sops_json(const std::string& text) {
  const auto shallow = [](int depth, Tree::parse_event_t, Tree&) {
    if (depth > kDeepest) {
      refuse("it is nested too deeply");
    }
    return true;
  };
  Tree tree = Tree::parse(text, shallow, false);
  if (tree.is_discarded()) {
    refuse("it is not JSON");
  }
  return tree;
}

Tree read_sops_dotenv(const std::string& text) {
  Tree tree = Tree::object();
  each_line(text, [&](std::string_view line) {
    if (line.empty() || line.front() == '#') {
      return;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      refuse("a line in it is neither NAME=value nor a comment");
    }
    std::string value(line.substr(equals + 1));
    for (std::size_t at = value.find("\\n"); at != std::string::npos; at = value.find("\\n", at)) {
      value.replace(at, 2, "\n");
    }
    put(tree, line.substr(0, equals), std::move(value));
  });
  return tree;
}

Tree read_sops_ini(const std::string& text) {
  Tree tree = Tree::object();
  std::string section = "DEFAULT";
  each_line(text, [&](std::string_view line) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') {
      return;
    }
    if (line.front() == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2);
      if (tree.contains(section)) {
        refuse("a section stands in it twice");
      }
      tree[section] = Tree::object();
      return;
    }
    const std::size_t equals = line.find_first_of("=:");
    if (equals == std::string_view::npos) {
      refuse("a line in it is neither name = value, nor a section, nor a comment");
    }
    std::string_view value = trimmed(line.substr(equals + 1));
    for (const std::string_view quotes : {"\"\"\"", "`", "\""}) {
      if (value.size() >= 2 * quotes.size() && value.starts_with(quotes) &&
          value.ends_with(quotes)) {
        value = value.substr(quotes.size(), value.size() - 2 * quotes.size());
        break;
      }
    }
    put(tree[section], trimmed(line.substr(0, equals)), std::string(value));
  });
  return tree;
}

}  // namespace agentbox::resolver
