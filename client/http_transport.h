// HttpTransport: the Transport of a component in a process of its own: the Kubernetes API over
// net::HttpClient.
//
// Bodies are JSON or protobuf; watches are read line by line (JSON). Credentials: a client certificate in the
// HttpClient's TLS configuration, or a bearer token read anew for each request (tokens are renewed on disk).
// A 429 or a 5xx with Retry-After is tried again a few times, as upstream's client does. Everything else is
// the caller's to retry. Thread rule: as Transport.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "client/transport.h"
#include "net/client.h"

namespace keelson::client {

struct HttpTransportOptions {
  std::string user_agent = "keelson";
  // The bearer token to send; null or an empty answer: none.
  std::function<std::string()> token;
  bool protobuf = true;
  Duration timeout = std::chrono::seconds(60);
};

class HttpTransport final : public Transport {
 public:
  // `clock` outlives it.
  HttpTransport(std::shared_ptr<net::HttpClient> http, Clock& clock, HttpTransportOptions options);

  Task<Result<api::ObjectPtr>> get(const api::KindInfo& kind, std::string ns, std::string name,
                                   GetOptions options) override;
  Task<Result<ListResult>> list(const api::KindInfo& kind, std::string ns, ListOptions options) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(const api::KindInfo& kind, std::string ns,
                                                   WatchOptions options) override;
  Task<Result<api::ObjectPtr>> create(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                      WriteOptions options) override;
  Task<Result<api::ObjectPtr>> update(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                      WriteOptions options) override;
  Task<Result<api::ObjectPtr>> patch(const api::KindInfo& kind, std::string ns, std::string name,
                                     PatchType type, std::string body, WriteOptions options) override;
  Task<Result<api::ObjectPtr>> remove(const api::KindInfo& kind, std::string ns, std::string name,
                                      DeleteOptions options) override;
  Task<Result<void>> delete_collection(const api::KindInfo& kind, std::string ns, DeleteOptions options,
                                       ListOptions which) override;

 private:
  net::ClientRequest request(std::string method, std::string target, std::string body,
                             std::string_view content_type, bool accept_protobuf) const;
  // The reply of a 2xx; the Status of everything else.
  Task<Result<net::ClientResponse>> call(net::ClientRequest request);
  // The same, decoded: the object answered, of whatever kind it says it is. Null for a Status "Success".
  Task<Result<api::ObjectPtr>> call_for_object(net::ClientRequest request);
  Task<Result<api::ObjectPtr>> send_object(std::string method, std::string target, api::ObjectPtr object);

  std::shared_ptr<net::HttpClient> http_;
  Clock& clock_;
  const HttpTransportOptions options_;
};

// "/apis/apps/v1/namespaces/a/deployments/web/status": the path of a resource. Empty parts are left out.
std::string resource_path(const api::KindInfo& kind, std::string_view ns, std::string_view name,
                          std::string_view subresource);

}  // namespace keelson::client
