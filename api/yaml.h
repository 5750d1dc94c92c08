// YAML as sigs.k8s.io/yaml reads and writes it: by way of JSON, with YAML 1.1 booleans (on, yes …).
// Thread rule: functions without state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::api {

struct YamlAsJson {
  std::string json;
  // "line 5: key \"name\" already set in map": for strict decoding, upstream joins them as
  // "yaml: unmarshal errors:\n  line 5: …".
  std::vector<std::string> duplicate_keys;
};

// One document; an empty text gives "null". kInvalidArgument "yaml: line 2: mapping values are not allowed in
// this context" ….
Result<YamlAsJson> yaml_to_json(std::string_view yaml);
// Keys sorted, as sigs.k8s.io/yaml writes; ends with a newline. REQUIRES: valid JSON.
std::string json_to_yaml(std::string_view json);

}  // namespace keelson::api
