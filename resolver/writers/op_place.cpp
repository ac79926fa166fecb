#include "resolver/writers/op_place.h"

#include "base/encode.h"
#include "base/error.h"
#include "resolver/backends/op_item.h"

namespace agentbox::resolver {

void OpPlace::check() const {
  for (const std::string& name : {vault, item}) {
    const std::string probe = "op://" + name + "/x/y";
    bool good = !name.starts_with('-');  // an option of op
    try {
      good = good && parse_reference(probe).path.size() == 3;
    } catch (const base::Error&) {
      good = false;
    }
    if (!good) {
      throw base::Error(base::Status::kConfiguration,
                        base::printable(name) + " cannot stand in an op:// reference",
                        "names of vault and item there are letters, digits, \"-\", \"_\", \".\" "
                        "and spaces: --vault NAME, --item NAME");
    }
  }
}

std::string OpPlace::text() const { return "1Password item " + item + " in vault " + vault; }

std::string OpPlace::reference(std::string_view name) const {
  return "op://" + vault + "/" + item + "/" + std::string(name);
}

std::optional<Failed> OpPlace::clash(const std::vector<NewValue>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (same_name(values[i].name, values[j].name)) {
        return Failed{
            Failure::kAmbiguous,
            "1Password takes " + values[j].name + " and " + values[i].name +
                " for one name; nothing was written",
            "move one of them alone: --only " + values[j].name + "; then the other, with --item"};
      }
    }
  }
  return std::nullopt;
}

Secret OpPlace::json(const std::vector<NewValue>& values, std::string_view vault_id) const {
  SecretBuilder text;
  text.append("{\"title\":");
  append_json_string(text, item);
  text.append(",\"category\":\"API_CREDENTIAL\"");
  if (!vault_id.empty()) {
    text.append(",\"vault\":{\"id\":");
    append_json_string(text, vault_id);
    text.append("}");
  }
  text.append(",\"fields\":");
  const char* separator = "[";
  for (const NewValue& value : values) {
    text.append(separator);
    text.append("{\"type\":\"CONCEALED\",\"label\":");
    append_json_string(text, value.name);
    text.append(",\"value\":");
    append_json_string(text, value.value->reveal());
    text.append("}");
    separator = ",";
  }
  text.append("]}");
  return text.take();
}

bool OpPlace::is_among(const Document::Node& items) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i]["state"].text() != "ARCHIVED" && same_name(items[i]["title"].text(), item)) {
      return true;
    }
  }
  return false;
}

}  // namespace agentbox::resolver
