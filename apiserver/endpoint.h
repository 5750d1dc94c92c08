// Endpoint: the request pipeline in terms of objects: authorize → admit → validate → store. The HTTP front decodes into a Request
// and encodes the Response; a transport in the same process (cmd/local_transport) builds Requests itself and
// exchanges ObjectPtr without encoding. Both take the same path, with their own user.
//
// Thread rule: any thread; tasks resume on the caller's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "api/schema.h"
#include "apiserver/object_version.h"
#include "auth/user.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"

namespace keelson::apiserver {

enum class Verb : std::uint8_t { kGet, kList, kWatch, kCreate, kUpdate, kPatch, kDelete, kDeleteCollection };
// "get", "list", …: the authorizer's and the metrics' name.
std::string_view verb_name(Verb verb);

enum class PatchType : std::uint8_t { kJson, kMerge, kStrategicMerge, kApply };
enum class FieldValidation : std::uint8_t { kIgnore, kWarn, kStrict };

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  std::string resource_version_match;
  std::string continue_token;
  std::int64_t limit = 0;
  // Watches only:
  bool allow_bookmarks = false;
  std::optional<bool> send_initial_events;
  std::optional<std::int64_t> timeout_s;
};

struct DeleteOptions {
  std::optional<std::int64_t> grace_period_s;
  std::optional<std::string> propagation_policy;
  std::optional<bool> orphan_dependents;
  std::optional<std::string> precondition_uid;
  std::optional<std::string> precondition_resource_version;
};

struct WriteOptions {
  bool dry_run = false;
  std::string field_manager;
  FieldValidation field_validation = FieldValidation::kWarn;
  bool force = false;  // server-side apply
};

struct Request {
  auth::UserPtr user;
  Verb verb = Verb::kGet;
  const api::KindInfo* kind = nullptr;  // of the resource in the path, not of the subresource
  std::string subresource;
  std::string namespace_;  // empty for cluster-scoped kinds and across namespaces
  std::string name;
  std::string resource_version;  // kGet
  ListOptions list;              // kList, kWatch, kDeleteCollection
  WriteOptions write;
  DeleteOptions del;
  std::unique_ptr<api::Object> object;  // kCreate, kUpdate: of the resource's or the subresource's kind
  PatchType patch_type = PatchType::kMerge;
  std::string patch;       // JSON text
  std::string user_agent;  // names the default field manager
};

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  VersionPtr object;  // for kBookmark: only resourceVersion and annotations
};

// A watch under way. Destroying it ends it. One reader.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // The next events, at least one. kUnavailable: the watch ended in good order (time out, server stops, reader too
  // slow). Any other error (kOutOfRange: 410 Expired) is an ERROR event and the end.
  virtual Task<Result<std::vector<WatchEvent>>> next() = 0;
  // Makes next() return kUnavailable soon. Any thread.
  virtual void stop() = 0;
};

struct ListResult {
  std::vector<VersionPtr> items;
  std::int64_t revision = 0;
  std::string continue_token;
  std::optional<std::int64_t> remaining;
};

struct Response {
  enum class Form : std::uint8_t { kObject, kList, kWatch };
  Form form = Form::kObject;
  int code = 200;
  std::vector<std::string> warnings;
  VersionPtr object;                // kObject; may be a Status
  ListResult list;                  // kList
  std::unique_ptr<WatchStream> watch;
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // Errors carry a Kubernetes Status (api/status.h).
  virtual Task<Result<Response>> call(Request request) = 0;
};

}  // namespace keelson::apiserver
