#include "apiserver/http_front.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

#include "api/json.h"
#include "api/kinds.h"
#include "api/protobuf.h"
#include "api/yaml.h"
#include "apiserver/body_decoder.h"
#include "apiserver/errors.h"
#include "apiserver/http_call.h"
#include "apiserver/object_meta.h"

namespace keelson::apiserver {
namespace {

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kTextType = "text/plain; charset=utf-8";

bool is_health(std::string_view path) {
  return path.starts_with("/healthz") || path.starts_with("/livez") || path.starts_with("/readyz");
}

std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// The next path element; `path` moves behind it.
std::string_view take_element(std::string_view& path) {
  if (path.empty() || path.front() != '/') return {};
  path.remove_prefix(1);
  auto end = path.find('/');
  auto out = path.substr(0, end);
  path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
  return out;
}

struct PlainPath {
  std::string_view group, version, ns, resource, name;
};

// The path of one object without subresource, when it is a plain one; false sends it the long way.
bool parse_plain_path(std::string_view path, PlainPath* out) {
  if (path.find('%') != std::string_view::npos) return false;
  auto root = take_element(path);
  if (root == "apis") out->group = take_element(path);
  else if (root != "api") return false;
  out->version = take_element(path);
  auto word = take_element(path);
  if (word == "namespaces") {
    auto ns = take_element(path);
    if (path.empty()) {
      out->resource = word;
      out->name = ns;
      return !ns.empty();
    }
    out->ns = ns;
    out->resource = take_element(path);
  } else if (word != "watch") {
    out->resource = word;
  }
  out->name = take_element(path);
  return path.empty() && !out->name.empty() && out->resource != "status" && out->resource != "finalize";
}

std::string_view metric_verb(Verb verb) {
  switch (verb) {
    case Verb::kGet: return "GET";
    case Verb::kList: return "LIST";
    case Verb::kWatch: return "WATCH";
    case Verb::kCreate: return "POST";
    case Verb::kUpdate: return "PUT";
    case Verb::kPatch: return "PATCH";
    case Verb::kDelete: return "DELETE";
    case Verb::kDeleteCollection: break;
  }
  return "DELETECOLLECTION";
}

}  // namespace

HttpFront::HttpFront(Parts parts) : parts_(std::move(parts)), next_audit_(parts_.seed) {}
HttpFront::~HttpFront() = default;

std::string HttpFront::audit_id(const net::Request& request) {
  if (auto given = request.headers.get("audit-id"); given && !given->empty() && given->size() <= 64) return std::string(*given);
  const std::uint64_t n = next_audit_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t a = mix(n ^ parts_.seed), b = mix(a);
  static constexpr char kHex[] = "0123456789abcdef";
  char text[36];
  int at = 0;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text[at++] = '-';
    unsigned nibble = static_cast<unsigned>((i < 16 ? a >> (60 - 4 * i) : b >> (60 - 4 * (i - 16))) & 15);
    if (i == 12) nibble = 4;
    if (i == 16) nibble = 8 | (nibble & 3);
    text[at++] = kHex[nibble];
  }
  return std::string(text, 36);
}

net::Headers HttpFront::headers(std::string_view content_type, std::string_view audit_id) const {
  net::Headers out;
  out.add("audit-id", std::string(audit_id));
  out.add("cache-control", "no-cache, private");
  if (!content_type.empty()) out.add("content-type", std::string(content_type));
  return out;
}

Task<> HttpFront::handle(net::Exchange& exchange) {
  const MonoTime began = parts_.clock->now();
  const net::Request& request = exchange.request();
  if (request.method == "GET" && request.query().empty() && co_await try_fast_get(exchange, began)) co_return;
  Call call(exchange);
  call.began = began;
  call.audit_id = audit_id(request);
  call.mutating = request.method != "GET" && request.method != "HEAD";
  parts_.metrics->add_inflight(call.mutating, 1);
  struct Done {
    HttpFront* front;
    Call* call;
    ~Done() {
      if (!call->long_running) front->parts_.metrics->add_inflight(call->mutating, -1);
    }
  } done{this, &call};
  co_await serve(call);
}

Task<bool> HttpFront::try_fast_get(net::Exchange& exchange, MonoTime began) {
  const net::Request& request = exchange.request();
  PlainPath path;
  if (!parse_plain_path(request.path(), &path)) co_return false;
  Registry& registry = parts_.pipeline->registry();
  const Resource* resource = registry.resources().find(path.group, path.version, path.resource);
  if (!resource || !resource->cache || resource->from_stored || resource->kind->kind == "Endpoints" || resource->kind->namespaced == path.ns.empty()) co_return false;
  auto accept = request.headers.get("accept").value_or("");
  auto negotiated = negotiate(accept, true);
  if (negotiated.failure != NegotiationFailure::kNone || negotiated.accepted.view != View::kObject ||
      negotiated.accepted.type == MediaType::kYaml)
    co_return false;
  if (!registry.storage().fresh()) co_return false;
  auto user = parts_.authenticator->authenticate(request);
  if (!user) co_return false;
  auth::Attributes a;
  a.user = user->get();
  a.verb = "get";
  a.api_group = path.group;
  a.api_version = path.version;
  a.resource = path.resource;
  a.namespace_ = path.ns;
  a.name = path.name;
  if (!parts_.pipeline->authorizer().authorize(a).allowed) co_return false;
  char key[512];
  if (path.ns.size() + path.name.size() + 1 > sizeof key) co_return false;
  char* end = std::copy(path.ns.begin(), path.ns.end(), key);
  if (resource->kind->namespaced) *end++ = '/';
  end = std::copy(path.name.begin(), path.name.end(), end);
  VersionPtr version = resource->cache->get(std::string_view(key, static_cast<std::size_t>(end - key)));
  if (!version) co_return false;
  ReplyForm form{negotiated.accepted};
  auto body = encode_object(version, form, api::Time{});
  if (!body) co_return false;
  std::size_t bytes = 0;
  for (auto& piece : *body) bytes += piece.size();
  auto type = content_type(negotiated.accepted.type);
  auto sent = body->size() == 1
                  ? co_await exchange.respond(200, headers(type, audit_id(request)), std::move(body->front()))
                  : co_await exchange.respond(200, headers(type, audit_id(request)), std::move(*body));
  auto& slot = resource->series[0];
  auto* series = slot.load(std::memory_order_acquire);
  if (!series) {
    series = &parts_.metrics->series({"GET", path.group, path.version, path.resource, "", "resource", false});
    slot.store(series, std::memory_order_release);
  }
  series->record(200, parts_.clock->now() - began, bytes);
  if (parts_.log_reads)
    parts_.logger.info("HTTP", {{"verb", "GET"}, {"path", request.target}, {"user", (*user)->name}, {"code", 200}, {"bytes", bytes}});
  (void)sent;
  co_return true;
}

void HttpFront::finish(Call& call, int status, std::size_t bytes) {
  call.status = status;
  const Duration took = parts_.clock->now() - call.began;
  if (call.resource) {
    const Request& r = call.shape;
    const std::string_view scope = !r.name.empty()         ? "resource"
                                   : !r.namespace_.empty() ? "namespace"
                                                           : "cluster";
    parts_.metrics
        ->series({metric_verb(r.verb), call.resource->kind->group, call.resource->kind->version,
                  call.resource->kind->resource, r.subresource, scope, r.write.dry_run})
        .record(status, took, bytes);
  }
  if (!call.mutating && status < 400 && !parts_.log_reads) return;
  const net::Request& request = call.exchange.request();
  parts_.logger.info("HTTP", {{"verb", request.method},
                              {"path", request.target},
                              {"user", call.user ? std::string_view(call.user->name) : std::string_view{}},
                              {"agent", request.headers.get("user-agent").value_or("")},
                              {"code", status},
                              {"bytes", bytes},
                              {"ms", std::chrono::duration<double, std::milli>(took).count()},
                              {"audit_id", call.audit_id}});
}

Task<> HttpFront::reply(Call& call, int status, std::string_view type, std::vector<Bytes> body) {
  auto h = headers(type, call.audit_id);
  for (auto& warning : call.warnings) h.add("warning", fmt::format("299 - {}", api::field::go_quote(warning)));
  for (auto& [name, value] : call.extra_headers) h.add(name, value);
  std::size_t bytes = 0;
  for (auto& piece : body) bytes += piece.size();
  (void)co_await call.exchange.respond(status, std::move(h), std::move(body));
  finish(call, status, bytes);
}

Task<> HttpFront::reply_text(Call& call, int status, std::string text) {
  std::vector<Bytes> body;
  body.emplace_back(std::move(text));
  co_await reply(call, status, kTextType, std::move(body));
}

Task<> HttpFront::reply_error(Call& call, const Error& error) {
  if (auto* detail = api::status_detail(error); detail && detail->retry_after_seconds > 0)
    call.extra_headers.emplace_back("retry-after", std::to_string(detail->retry_after_seconds));
  std::vector<Bytes> body;
  body.emplace_back(encode_status(error, call.error_type));
  co_await reply(call, api::http_code(error), content_type(call.error_type), std::move(body));
}

Task<> HttpFront::serve(Call& call) {
  const net::Request& request = call.exchange.request();
  auto user = parts_.authenticator->authenticate(request);
  parts_.metrics->count_authentication(user.has_value(), "");
  if (user) {
    call.user = *user;
  } else if (is_health(request.path()) || request.path() == "/version") {
    call.user = auth::Authenticator::anonymous_user();
  } else {
    co_await reply_error(call, api::status_error(401, "Unauthorized", "Unauthorized"));
    co_return;
  }
  call.info = parse_request_path(request.path());
  if (call.info.is_resource) co_await serve_resource(call);
  else co_await serve_path(call);
}

// ---- paths that are no resources ----

Task<> HttpFront::serve_path(Call& call) {
  const net::Request& request = call.exchange.request();
  const std::string_view path = request.path();
  auth::Attributes a;
  a.user = call.user.get();
  std::string verb = request.method;
  for (char& c : verb) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  a.verb = verb;
  a.resource_request = false;
  a.path = path;
  auto decision = parts_.pipeline->authorizer().authorize(a);
  if (!decision.allowed && !is_health(path) && path != "/version") {
    co_await reply_error(call, api::status_error(403, "Forbidden", "forbidden: " + auth::forbidden_text(a, decision.reason)));
    co_return;
  }
  if (is_health(path)) {
    Query query(request.query());
    auto answer = parts_.health->answer(path, query.get("verbose").has_value(), query.all("exclude"));
    co_await reply_text(call, answer.status, std::move(answer.text));
    co_return;
  }
  if (path == "/version" || path == "/version/") {
    auto accept = negotiate(request.headers.get("accept").value_or(""), false);
    if (accept.failure == NegotiationFailure::kMediaType) {
      co_await reply_error(call, not_acceptable_error(accept.failure));
      co_return;
    }
    std::vector<Bytes> body;
    body.emplace_back(parts_.version_json);
    co_await reply(call, 200, kJsonType, std::move(body));
    co_return;
  }
  if (path == "/metrics") {
    if (parts_.before_scrape) parts_.before_scrape();
    std::vector<Bytes> body;
    body.emplace_back(parts_.metrics->text());
    if (parts_.more_metrics) body.emplace_back(parts_.more_metrics());
    co_await reply(call, 200, "text/plain; version=0.0.4; charset=utf-8", std::move(body));
    co_return;
  }
  if (!call.info.prefix.empty() && !call.info.malformed) {
    co_await serve_discovery(call);
    co_return;
  }
  if (parts_.documents && request.method == "GET") {
    if (auto page = parts_.documents(request)) {
      auto h = std::move(page->headers);
      h.add("audit-id", call.audit_id);
      const std::size_t bytes = page->body.size();
      (void)co_await call.exchange.respond(page->status, std::move(h), std::move(page->body));
      finish(call, page->status, bytes);
      co_return;
    }
  }
  if (path == "/") {
    std::vector<Bytes> body;
    body.push_back(Bytes::literal(R"({"paths":["/api","/apis","/healthz","/livez","/metrics","/openapi/v2","/openapi/v3","/readyz","/version"]})"));
    co_await reply(call, 200, kJsonType, std::move(body));
    co_return;
  }
  if (path.starts_with("/openapi/v3/")) co_await reply(call, 404, "", {});
  else co_await reply_text(call, 404, "404 page not found\n");
}

Task<> HttpFront::reply_document(Call& call, const Document& document, std::string_view type) {
  if (!document.etag.empty()) {
    call.extra_headers.emplace_back("etag", document.etag);
    if (call.exchange.request().headers.get("if-none-match").value_or("") == document.etag) {
      co_await reply(call, 304, "", {});
      co_return;
    }
  }
  std::vector<Bytes> body;
  body.push_back(document.body);
  co_await reply(call, 200, type, std::move(body));
}

Task<> HttpFront::serve_discovery(Call& call) {
  const net::Request& request = call.exchange.request();
  const auto& info = call.info;
  const bool apis = info.prefix == "apis";
  if (request.method != "GET") {
    co_await reply_error(call, errors::method_not_allowed("", ""));
    co_return;
  }
  const Document* document = nullptr;
  std::string kind;
  if (!apis && info.version.empty()) {
    document = &parts_.discovery->core_versions();
    kind = "APIVersions";
  } else if (!apis) {
    document = parts_.discovery->resources(info.version);
    kind = "APIResourceList";
  } else if (info.group.empty()) {
    document = &parts_.discovery->group_list();
    kind = "APIGroupList";
  } else if (info.version.empty()) {
    document = parts_.discovery->group(info.group);
    kind = "APIGroup";
  } else {
    document = parts_.discovery->resources(info.group + "/" + info.version);
    kind = "APIResourceList";
  }
  if (!document) {
    if (apis && !parts_.discovery->group(info.group)) co_await reply_text(call, 404, "404 page not found\n");
    else co_await reply_error(call, errors::no_such_resource());
    co_return;
  }
  auto accept = request.headers.get("accept").value_or("");
  const bool root = kind == "APIVersions" || kind == "APIGroupList";
  if (root && wants_aggregated(accept)) {
    call.extra_headers.emplace_back("vary", "Accept");
    co_await reply_document(call, apis ? parts_.discovery->aggregated_groups() : parts_.discovery->aggregated_core(),
                            kAggregatedDiscoveryType);
    co_return;
  }
  auto negotiated = negotiate(accept, false);
  if (negotiated.failure != NegotiationFailure::kNone) {
    co_await reply_error(call, not_acceptable_error(negotiated.failure));
    co_return;
  }
  if (negotiated.accepted.type == MediaType::kJson) {
    co_await reply_document(call, *document, kJsonType);
    co_return;
  }
  std::vector<Bytes> body;
  if (negotiated.accepted.type == MediaType::kYaml) {
    body.emplace_back(api::json_to_yaml(document->body.view()));
  } else {
    const api::KindInfo* info_kind = api::find_kind("", "v1", kind);
    auto object = info_kind ? api::parse_json(document->body.view(), *info_kind) : fail(Code::kNotFound, kind);
    if (!object) {
      co_await reply_error(call, not_acceptable_error(NegotiationFailure::kMediaType));
      co_return;
    }
    body.emplace_back(api::encode_enveloped(**object));
  }
  co_await reply(call, 200, content_type(negotiated.accepted.type), std::move(body));
}

}  // namespace keelson::apiserver
