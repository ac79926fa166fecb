#include "resolver/backends/op_item.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A field refers to its section by ID alone; the label stands in the item's list of sections.
bool in_section(const Document::Node& item, const Document::Node& part, std::string_view section) {
  const std::string id = part["section"]["id"].text();
  if (id.empty()) {
    return false;
  }
  if (same_name(id, section)) {
    return true;
  }
  const Document::Node sections = item["sections"];
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (sections[i]["id"].text() == id && same_name(sections[i]["label"].text(), section)) {
      return true;
    }
  }
  return false;
}

// Those of `parts` (fields or files) that the reference may mean.
std::vector<Document::Node> matching(const Document::Node& item, const Document::Node& parts,
                                     const char* label, const Reference& reference) {
  const std::string& name = reference.path.back();
  std::vector<Document::Node> found;
  std::vector<Document::Node> found_outside;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Document::Node part = parts[i];
    if (!same_name(part[label].text(), name) && !same_name(part["id"].text(), name)) {
      continue;
    }
    if (reference.path.size() == 4) {
      if (in_section(item, part, reference.path[2])) {
        found.push_back(part);
      }
    } else {
      (part["section"]["id"].text().empty() ? found_outside : found).push_back(part);
    }
  }
  return found_outside.empty() ? found : found_outside;
}

Failed absent(const Document::Node& item, const Reference& reference) {
  std::vector<std::string> labels;
  for (const auto& [parts, label] : {std::pair{item["fields"], "label"}, {item["files"], "name"}}) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      labels.push_back(parts[i][label].text());
    }
  }
  const std::string section =
      reference.path.size() == 4 ? " in a section " + base::printable(reference.path[2]) : "";
  return {Failure::kNotFound,
          "item " + base::printable(reference.path[1]) + " has no field or file " +
              base::printable(reference.path.back()) + section,
          suggest(reference.path.back(), labels)};
}

OpItemPart attribute_of(const Document::Node& field, std::string_view query) {
  std::string_view name = "value";
  if (query.starts_with("attribute=") || query.starts_with("attr=")) {
    name = query.substr(query.find('=') + 1);
  } else if (!query.empty()) {
    return Failed{Failure::kInvalidReference, "Connect does not convert keys (?ssh-format=)",
                  "unset OP_CONNECT_HOST to use the program op, or leave out ?ssh-format="};
  }
  if (name == "otp" || name == "totp") {
    if (!field["totp"]) {
      return Failed{Failure::kNotFound, "the field holds no one-time password",
                    "leave out ?attribute=otp"};
    }
    name = "totp";
  } else if (name == "title") {
    name = "label";
  }
  if (name != "value" && name != "totp" && name != "label" && name != "type" && name != "id" &&
      name != "purpose") {
    return Failed{Failure::kInvalidReference, "fields have no attribute " + base::printable(name),
                  "there is otp, type, value, title, id and purpose"};
  }
  // An empty field has no value at all; the resolver refuses what is empty.
  std::optional<Secret> value = field[name].secret();
  return value ? std::move(*value) : Secret();
}

}  // namespace

OpItemPart find_in_item(const Reference& reference, const Document::Node& item) {
  const std::vector<Document::Node> fields = matching(item, item["fields"], "label", reference);
  if (fields.size() == 1) {
    return attribute_of(fields.front(), reference.query);
  }
  if (fields.size() > 1) {
    std::string ids;
    for (const Document::Node& field : fields) {
      ids += (ids.empty() ? "" : ", ") + base::printable(field["id"].text());
    }
    return Failed{Failure::kAmbiguous,
                  "more than one field is called " + base::printable(reference.path.back()),
                  "name its section, or its ID: " + ids};
  }
  const std::vector<Document::Node> files = matching(item, item["files"], "name", reference);
  if (files.size() > 1) {
    return Failed{Failure::kAmbiguous,
                  "more than one file is called " + base::printable(reference.path.back()),
                  "name its section"};
  }
  if (files.empty()) {
    return absent(item, reference);
  }
  return OpFile{files.front()["id"].text()};
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace agentbox::resolver
