// The JSON Schema and the parser say the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/error.h"
#include "policy/document.h"
#include "policy/policy.h"
#include "policy/shipped_profiles.h"

namespace agentbox::policy {
namespace {

using Json = nlohmann::json;

const Json& schema() {
  static const Json kSchema = [] {
    std::ifstream file(std::filesystem::path(AGENTBOX_SOURCE_DIR) /
                       "profiles/agentbox.schema.json");
    return Json::parse(file);
  }();
  return kSchema;
}

bool valid(const Json& rule, const Json& value);

bool has_type(const std::string& type, const Json& value) {
  return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
         (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
         (type == "integer" && value.is_number_integer());
}

bool valid_object(const Json& rule, const Json& value) {
  if (value.size() < rule.value("minProperties", 0u)) {
    return false;
  }
  for (const Json& name : rule.value("required", Json::array())) {
    if (!value.contains(name.get<std::string>())) {
      return false;
    }
  }
  for (const auto& [name, member] : value.items()) {
    if (rule.contains("propertyNames") && !valid(rule["propertyNames"], Json(name))) {
      return false;
    }
    if (rule.contains("properties") && rule["properties"].contains(name)) {
      if (!valid(rule["properties"][name], member)) {
        return false;
      }
    } else if (rule.contains("additionalProperties")) {
      const Json& further = rule["additionalProperties"];
      if (further.is_boolean() ? !further.get<bool>() : !valid(further, member)) {
        return false;
      }
    }
  }
  return true;
}

// The keywords that the schema uses; an unknown one fails the test rather than being passed over.
bool valid(const Json& rule, const Json& value) {
  const auto count = [&](const Json& rules) {
    return std::count_if(rules.begin(), rules.end(),
                         [&](const Json& one) { return valid(one, value); });
  };
  for (const auto& [keyword, wanted] : rule.items()) {
    bool good = true;
    if (keyword == "type") {
      good = has_type(wanted, value);
    } else if (keyword == "const") {
      good = value == wanted;
    } else if (keyword == "enum") {
      good = std::find(wanted.begin(), wanted.end(), value) != wanted.end();
    } else if (keyword == "pattern") {
      good = !value.is_string() ||
             std::regex_search(value.get<std::string>(), std::regex(wanted.get<std::string>()));
    } else if (keyword == "minItems") {
      good = !value.is_array() || value.size() >= wanted.get<std::size_t>();
    } else if (keyword == "minLength") {
      good = !value.is_string() || value.get<std::string>().size() >= wanted.get<std::size_t>();
    } else if (keyword == "minimum") {
      good = !value.is_number() || value >= wanted;
    } else if (keyword == "maximum") {
      good = !value.is_number() || value <= wanted;
    } else if (keyword == "items") {
      good = !value.is_array() || std::all_of(value.begin(), value.end(), [&](const Json& item) {
        return valid(wanted, item);
      });
    } else if (keyword == "$ref") {
      good = valid(schema().at(Json::json_pointer(wanted.get<std::string>().substr(1))), value);
    } else if (keyword == "oneOf") {
      good = count(wanted) == 1;
    } else if (keyword == "anyOf") {
      good = count(wanted) > 0;
    } else if (keyword == "properties" || keyword == "additionalProperties" ||
               keyword == "required" || keyword == "propertyNames" || keyword == "minProperties") {
      good = !value.is_object() || valid_object(rule, value);
    } else {
      static const std::set<std::string> kSilent = {"$schema", "title", "description", "$defs"};
      EXPECT_TRUE(kSilent.count(keyword) == 1) << "unknown keyword " << keyword;
    }
    if (!good) {
      return false;
    }
  }
  return true;
}

bool parses(const std::string& text) {
  try {
    parse(text, "agentbox.json", "/project");
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

// Every object in the schema with its properties, by the names that known_keys() uses.
void collect(const Json& rule, const std::string& path,
             std::map<std::string, std::vector<std::string>>& keys) {
  const auto dotted = [&](const std::string& name) {
    return path.empty() ? name : path + "." + name;
  };
  if (rule.contains("properties")) {
    std::vector<std::string>& names = keys[path];
    for (const auto& [name, inner] : rule["properties"].items()) {
      names.push_back(name);
      collect(inner, dotted(name), keys);
    }
  }
  if (rule.contains("additionalProperties") && rule["additionalProperties"].is_object()) {
    collect(rule["additionalProperties"], dotted("*"), keys);
  }
}

TEST(Schema, HasTheParsersKeys) {
  std::map<std::string, std::vector<std::string>> in_schema;
  collect(schema(), "", in_schema);
  std::map<std::string, std::vector<std::string>> in_parser = known_keys();
  for (auto& [path, names] : in_parser) {
    std::sort(names.begin(), names.end());
  }
  EXPECT_EQ(in_schema, in_parser);
}

TEST(Schema, DecidesLikeTheParser) {
  const std::pair<const char*, bool> documents[] = {
      {R"({"version":1})", true},
      {R"({})", false},
      {R"([])", false},
      {R"({"version":2})", false},
      {R"({"version":"1"})", false},
      {R"({"version":1,"nope":1})", false},
      {R"({"version":1,"$schema":"x","description":"y","extends":["claude"]})", true},
      {R"({"version":1,"extends":"claude"})", false},
      {R"({"version":1,"extends":["../x"]})", false},
      {R"({"version":1,"files":{"hide":["a"],"redact":[],"show":["/b"],"readonly":["c/**"]}})",
       true},
      {R"({"version":1,"files":{"hide":"a"}})", false},
      {R"({"version":1,"files":{"hide":[""]}})", false},
      {R"({"version":1,"files":{"hide":["!a"]}})", false},
      {R"({"version":1,"files":{"hyde":[]}})", false},
      {R"({"version":1,"files":{"detect":"deny"}})", true},
      {R"({"version":1,"files":{"detect":"on"}})", false},
      {R"({"version":1,"home":{"read":["a"],"write":["b/c"]}})", true},
      {R"({"version":1,"home":{"exec":["a"]}})", false},
      {R"({"version":1,"environment":{"pass":["LC_*"],"set":{"A":"b"}}})", true},
      {R"({"version":1,"environment":{"pass":["A-B"]}})", false},
      {R"({"version":1,"environment":{"set":{"A":1}}})", false},
      {R"({"version":1,"environment":{"set":{"A-B":"x"}}})", false},
      {R"({"version":1,"system":["/nix"]})", true},
      {R"({"version":1,"system":["nix"]})", false},
      {R"({"version":1,"system":["/"]})", false},
      {R"({"version":1,"secrets":{"a":{"from":"local://a","as":{"env":"A","file":"~/a"}}}})", true},
      {R"({"version":1,"secrets":{"a":{"template":"t","as":{"file":"a"},"description":"d"}}})",
       true},
      {R"({"version":1,"secrets":{"a":{"from":"x","template":"t","as":{"env":"A"}}}})", false},
      {R"({"version":1,"secrets":{"a":{"as":{"env":"A"}}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"x"}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{}}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"","as":{"env":"A"}}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"/a"}}}})", false},
      {R"({"version":1,"secrets":{"-":{"from":"x","as":{"env":"A"}}}})", false},
      {R"({"version":1,"secrets":{"broker.sock":{"from":"x","as":{"env":"A"}}}})", false},
      {R"({"version":1,"secrets":{"broker.sock2":{"from":"x","as":{"env":"A"}}}})", true},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"hosts":["*.a.b"]}}})", true},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"hosts":["a:1"]}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"A"},"refresh":"10m"}}})", true},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"A"},"refresh":"10"}}})", false},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"cache":"1h","offline":"2d"}}})",
       true},
      {R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"cache":3600}}})", false},
      {R"({"version":1,"scopes":{"a":{"secrets":[],"spawn":["b"],"network":[],"approve":"each"}}})",
       true},
      {R"({"version":1,"scopes":{"a":{"approve":"always"}}})", false},
      {R"({"version":1,"scopes":{"a":{"params":{"t":"[a-z]+","u":["x.y","z"]}}}})", true},
      {R"({"version":1,"scopes":{"a":{"params":{"t":[]}}}})", false},
      {R"({"version":1,"scopes":{"a":{"params":{"t":["a/b"]}}}})", false},
      {R"({"version":1,"scopes":{"a":{"params":{"t":1}}}})", false},
      {R"({"version":1,"scopes":{"a":{"accounts":{"doppler":{"DOPPLER_TOKEN":"local://d"}}}}})",
       true},
      {R"({"version":1,"scopes":{"a":{"accounts":{"doppler":{}}}}})", false},
      {R"({"version":1,"scopes":{"a":{"accounts":{"local":{"X":"local://d"}}}}})", false},
      {R"({"version":1,"network":["a.b:443","!c.d:1","[::1]:5","10.0.0.0/8:1"]})", true},
      {R"({"version":1,"network":["a.b"]})", false},
      {R"({"version":1,"network":["a.b:0"]})", false},
      {R"({"version":1,"limits":{"memory":"8G","processes":1,"files":16,"spawn_depth":0}})", true},
      {R"({"version":1,"limits":{"memory":1048576,"spawn_concurrent":0}})", true},
      {R"({"version":1,"limits":{"memory":1}})", false},
      {R"({"version":1,"limits":{"memory":"8X"}})", false},
      {R"({"version":1,"limits":{"processes":0}})", false},
      {R"({"version":1,"limits":{"processes":1.5}})", false},
      {R"({"version":1,"view":"live","user_namespaces":true})", true},
      {R"({"version":1,"view":"dead"})", false},
      {R"({"version":1,"user_namespaces":"yes"})", false},
  };
  for (const auto& [text, good] : documents) {
    EXPECT_EQ(parses(text), good) << text;
    EXPECT_EQ(valid(schema(), Json::parse(text)), good) << text;
  }
}

TEST(Schema, TakesTheShippedProfiles) {
  for (const ShippedProfile& profile : shipped_profiles()) {
    EXPECT_TRUE(valid(schema(), Json::parse(profile.text, nullptr, true, true))) << profile.name;
  }
}

}  // namespace
}  // namespace agentbox::policy
