// The paths and operations that the served kinds give: what both OpenAPI dialects tell of them.
// Thread rule: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace keelson::apiserver {

struct Parameter {
  std::string_view name;
  std::string_view type;  // "string", "boolean", "integer"
  std::string_view description;
};

struct Operation {
  std::string_view method;  // "get", "put", "post", "delete", "patch"
  std::string id;           // "listAppsV1NamespacedDeployment"
  std::string_view action;  // x-kubernetes-action; empty: none
  std::string description;
  std::string_view group, version, kind;  // x-kubernetes-group-version-kind
  std::span<const Parameter> query;
  std::string_view body;   // component of the request body; empty: none
  std::string_view reply;  // component of the reply; empty: text
  bool patch = false;      // the body is a patch
  bool stream = false;     // may be watched
  int codes = 1;           // 1: 200; 2: also 201; 3: also 202
};

struct PathOperations {
  std::string path;  // "/api/v1/namespaces/{namespace}/pods/{name}"
  bool namespaced = false;
  bool named = false;
  std::vector<Parameter> query;  // of all operations
  std::vector<Operation> operations;
};

// In order of paths. REQUIRES: all kinds of one group and version.
std::vector<PathOperations> operations_of(std::span<const api::KindInfo* const> kinds);

}  // namespace keelson::apiserver
