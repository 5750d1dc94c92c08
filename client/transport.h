// Transport: how every controller, the scheduler, kubelets and proxies reach the API server.
//
// Implementations: client/http_transport.h (over the network), cmd/local_transport.h (in one process, over
// apiserver::Endpoint, exchanging ObjectPtr without encoding), client/fake_transport.h (tests). An instance
// carries one identity; whoever needs another identity gets another instance.
//
// Objects are frozen and shared: what is handed in is not copied, what comes back may be the same object that
// the server's watch cache holds.
//
// Errors carry the Kubernetes Status as Error::detail (api/status.h: reason, HTTP code). Codes:
//   kNotFound 404, kAlreadyExists 409 AlreadyExists, kAborted 409 Conflict, kOutOfRange 410 (expired
//   resourceVersion), kPermissionDenied 403, kInvalidArgument 400/422, kResourceExhausted 429, kUnavailable
//   (no connection, 5xx).
//
// Thread rule: all methods may be called from any thread; a task resumes on the executor of its caller.
// The transport outlives the tasks and streams it gave.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/task.h"

namespace keelson::api {
class Object;
struct KindInfo;
using ObjectPtr = std::shared_ptr<const Object>;
}  // namespace keelson::api

namespace keelson::client {

struct GetOptions {
  std::string resource_version;
  std::string subresource;  // "scale", "status", …
};

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  std::string resource_version_match;
  std::string continue_token;
  std::int64_t limit = 0;
};

struct WatchOptions : ListOptions {
  bool allow_bookmarks = true;
  // Begin with the present state as ADDED events, then a BOOKMARK annotated k8s.io/initial-events-end=true.
  bool send_initial_events = false;
  std::int64_t timeout_s = 0;  // 0: the server decides
};

struct WriteOptions {
  std::string subresource;  // "status", "binding", "eviction", "scale", "token", "finalize"
  std::string field_manager;
  bool dry_run = false;
};

struct DeleteOptions {
  std::optional<std::int64_t> grace_period_s;
  std::string propagation_policy;  // "Background", "Foreground", "Orphan" or empty
  std::string precondition_uid;
  std::string precondition_resource_version;
};

enum class PatchType : std::uint8_t { kJson, kMerge, kStrategicMerge, kApply };

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kAdded;
  // kBookmark: an object of the watched kind with only resourceVersion (and annotations). Never null but for
  // kError.
  api::ObjectPtr object;
};

struct ListResult {
  std::string resource_version;
  std::string continue_token;
  std::vector<api::ObjectPtr> items;
};

// A watch under way. Destroying it ends it. One reader at a time.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // The next event, in order of resourceVersion. At the end of the stream: kUnavailable (closed, timed out:
  // watch again from the last resourceVersion seen) or kOutOfRange (410: list again). ERROR events come as
  // such an Error.
  virtual Task<Result<WatchEvent>> next() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // `ns` is empty for cluster-scoped kinds, and in list/watch for all namespaces.
  virtual Task<Result<api::ObjectPtr>> get(const api::KindInfo& kind, std::string ns, std::string name,
                                           GetOptions options) = 0;
  virtual Task<Result<ListResult>> list(const api::KindInfo& kind, std::string ns, ListOptions options) = 0;
  virtual Task<Result<std::unique_ptr<WatchStream>>> watch(const api::KindInfo& kind, std::string ns,
                                                           WatchOptions options) = 0;

  // Creates `object`; the answer is the object as stored. With options.subresource, POSTs to that subresource
  // of the object named in object's metadata (binding: answer is a Status object; eviction; token: the
  // TokenRequest). `kind` is always the main resource's kind; the object may be of the subresource's kind.
  virtual Task<Result<api::ObjectPtr>> create(const api::KindInfo& kind, std::string ns,
                                              api::ObjectPtr object, WriteOptions options) = 0;
  // Replaces the object; kAborted when metadata.resourceVersion is set and not the current one.
  virtual Task<Result<api::ObjectPtr>> update(const api::KindInfo& kind, std::string ns,
                                              api::ObjectPtr object, WriteOptions options) = 0;
  // `body` is JSON text of the patch.
  virtual Task<Result<api::ObjectPtr>> patch(const api::KindInfo& kind, std::string ns, std::string name,
                                             PatchType type, std::string body, WriteOptions options) = 0;
  // The answer is the deleted (or, with graceful deletion or finalizers, marked) object, or null where the
  // server answered with a Status only.
  virtual Task<Result<api::ObjectPtr>> remove(const api::KindInfo& kind, std::string ns, std::string name,
                                              DeleteOptions options) = 0;
  virtual Task<Result<void>> delete_collection(const api::KindInfo& kind, std::string ns,
                                               DeleteOptions options, ListOptions which) = 0;
};

}  // namespace keelson::client
