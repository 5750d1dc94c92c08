// HttpFront: the API over HTTP: from an exchange to a Request of the pipeline and back. Paths, sign-in, content
// negotiation, bodies, queries, replies, watches; health, version, metrics, discovery, OpenAPI.
//
// A GET of one object in JSON or protobuf takes a short way: parse the path, sign in, authorize, look into the watch cache, answer with the
// object's shared bytes; nothing is decoded, encoded or awaited but the reply itself.
//
// Thread rule: handle() runs on each connection's executor; many at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apiserver/discovery/discovery.h"
#include "apiserver/health.h"
#include "apiserver/kubelet_proxy.h"
#include "apiserver/metrics.h"
#include "apiserver/pipeline.h"
#include "apiserver/query_options.h"
#include "apiserver/reply_encoder.h"
#include "apiserver/request_info.h"
#include "auth/authenticator.h"
#include "base/log.h"
#include "net/http.h"

namespace keelson::apiserver {

// A document served as it is: OpenAPI, JWKS.
struct StaticReply {
  int status = 200;
  net::Headers headers;
  Bytes body;
};

class HttpFront final : public net::Handler {
 public:
  struct Parts {
    Pipeline* pipeline = nullptr;
    auth::Authenticator* authenticator = nullptr;
    const Discovery* discovery = nullptr;
    Metrics* metrics = nullptr;
    const Health* health = nullptr;
    KubeletProxy* kubelets = nullptr;  // null: no node subresources
    Clock* clock = nullptr;
    Logger logger;
    Executor workers;  // for long encodes
    // Documents below /openapi/ and /openid/, /.well-known/; nullopt: no such page.
    std::function<std::optional<StaticReply>(const net::Request& request)> documents;
    std::function<void()> before_scrape;       // fills in gauges
    std::function<std::string()> more_metrics;  // of the process' other parts
    std::string version_json;
    bool log_reads = false;
    Duration request_timeout = std::chrono::seconds(60);
    std::uint64_t seed = 1;  // of Audit-Ids
  };
  explicit HttpFront(Parts parts);
  ~HttpFront() override;

  Task<> handle(net::Exchange& exchange) override;

 private:
  struct Call;  // one request under way
  // True when it has been answered.
  Task<bool> try_fast_get(net::Exchange& exchange, MonoTime began);
  Task<> serve(Call& call);
  Task<> serve_resource(Call& call);
  Task<> serve_path(Call& call);
  Task<> serve_discovery(Call& call);
  Task<> serve_watch(Call& call, Request request, const Resource& resource, ReplyForm form);
  Task<> reply(Call& call, int status, std::string_view content_type, std::vector<Bytes> body);
  Task<> reply_text(Call& call, int status, std::string text);
  Task<> reply_error(Call& call, const Error& error);
  Task<> reply_document(Call& call, const Document& document, std::string_view content_type);
  Task<Result<Response>> run_in_time(Request request);
  Result<Request> make_request(Call& call, const Resource& resource);
  Task<Result<void>> read_request_body(Call& call, const Resource& resource, Request& request);
  net::Headers headers(std::string_view content_type, std::string_view audit_id) const;
  std::string audit_id(const net::Request& request);
  void finish(Call& call, int status, std::size_t bytes);

  Parts parts_;
  std::atomic<std::uint64_t> next_audit_;
};

}  // namespace keelson::apiserver
