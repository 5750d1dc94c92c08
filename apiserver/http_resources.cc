// HttpFront's way for resources: path and method to a Request, body, pipeline, reply; watches.
#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

#include "api/kinds.h"
#include "apiserver/body_decoder.h"
#include "apiserver/errors.h"
#include "apiserver/http_call.h"
#include "apiserver/object_meta.h"
#include "net/catch_cancel.h"

namespace keelson::apiserver {
namespace {

constexpr std::size_t kMaxBody = 3u << 20;
constexpr std::size_t kWorkerAbove = 64;  // lists longer than this are encoded on a worker

std::optional<Verb> verb_of(std::string_view method, bool named, bool sub, const Query& query, bool legacy_watch) {
  if (method == "GET" || method == "HEAD") {
    if (legacy_watch) return Verb::kWatch;
    if (named) return Verb::kGet;
    return query.flag("watch") ? Verb::kWatch : Verb::kList;
  }
  if (method == "POST") return Verb::kCreate;
  if (method == "PUT") return Verb::kUpdate;
  if (method == "PATCH") return Verb::kPatch;
  if (method == "DELETE") return named || sub ? Verb::kDelete : Verb::kDeleteCollection;
  return std::nullopt;
}

bool contains(std::span<const std::string_view> list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_stream(std::string_view subresource) {
  return subresource == "log" || subresource == "exec" || subresource == "attach" || subresource == "portforward";
}

std::optional<PatchType> patch_type(std::string_view content_type) {
  auto essence = media_essence(content_type);
  if (essence == "application/json-patch+json") return PatchType::kJson;
  if (essence == "application/merge-patch+json") return PatchType::kMerge;
  if (essence == "application/strategic-merge-patch+json") return PatchType::kStrategicMerge;
  if (essence == "application/apply-patch+yaml") return PatchType::kApply;
  return std::nullopt;
}

Error unsupported_patch() {
  Error error = api::unsupported_media_type("415: Unsupported Media Type");
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(error));
  detail->has_details = true;
  error.detail = std::move(detail);
  return error;
}

Error unknown_body_format() {
  return api::unsupported_media_type(
      fmt::format("the body of the request was in an unknown format - accepted media types include: {}", kRepresentations));
}

}  // namespace

Error not_acceptable_error(NegotiationFailure failure) {
  if (failure == NegotiationFailure::kTransform)
    return api::not_acceptable(fmt::format("only the following media types are accepted: {}", kRepresentations));
  Error error = api::not_acceptable(fmt::format("406: Not Acceptable\n\nAvailable representations: {}", kRepresentations));
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(error));
  detail->has_details = true;
  error.detail = std::move(detail);
  return error;
}

bool wants_aggregated(std::string_view accept) {
  auto first = accept.substr(0, accept.find(','));
  return media_essence(first) == "application/json" && first.find("as=APIGroupDiscoveryList") != std::string_view::npos &&
         first.find("g=apidiscovery.k8s.io") != std::string_view::npos &&
         (first.ends_with("v=v2") || first.find("v=v2;") != std::string_view::npos);
}

Result<Request> HttpFront::make_request(Call& call, const Resource& resource) {
  const net::Request& http = call.exchange.request();
  const RequestInfo& info = call.info;
  Request r;
  r.user = call.user;
  r.kind = resource.kind;
  r.subresource = info.subresource;
  r.name = info.name;
  if (resource.kind->namespaced) r.namespace_ = info.namespace_;
  else if (!info.namespace_.empty() && resource.kind->resource != "namespaces") return fail(errors::no_such_resource());
  if (!info.rest.empty()) return fail(errors::no_such_resource());
  Query query(http.query());
  auto verb = verb_of(http.method, !info.name.empty(), !info.subresource.empty(), query, info.legacy_watch);
  if (!verb) return fail(errors::method_not_allowed("", ""));
  r.verb = *verb;
  const std::string_view word = verb_name(r.verb);
  if (r.subresource.empty()) {
    if (resource.kind->namespaced && r.namespace_.empty() && !r.name.empty()) return fail(errors::no_such_resource());
    if (!resource.kind->has_verb(word) || (r.verb == Verb::kCreate && !r.name.empty()) ||
        ((r.verb == Verb::kUpdate || r.verb == Verb::kPatch) && r.name.empty()) ||
        (r.verb == Verb::kCreate && resource.kind->namespaced && r.namespace_.empty()))
      return fail(errors::method_not_allowed("", ""));
  } else {
    auto* sub = resource.kind->subresource(r.subresource);
    if (!sub || sub->kind.ends_with("ProxyOptions")) return fail(errors::no_such_resource());
    if (!contains(sub->verbs, word)) return fail(errors::method_not_allowed("", ""));
  }
  r.user_agent = std::string(http.headers.get("user-agent").value_or(""));
  return r;
}

Task<Result<void>> HttpFront::read_request_body(Call& call, const Resource& resource, Request& r) {
  const net::Request& http = call.exchange.request();
  auto type_header = http.headers.get("content-type").value_or("");
  Query query(http.query());
  const api::KindInfo* expected = resource.kind;
  if (auto* sub = r.subresource.empty() ? nullptr : resource.kind->subresource(r.subresource)) {
    if (auto* kind = api::find_kind(sub->group, sub->version, sub->kind)) expected = kind;
  }
  auto too_large = [](const Error& e) {
    return e.code == Code::kResourceExhausted
               ? api::request_entity_too_large(fmt::format("limit is {}", kMaxBody))
               : errors::bad_request(e.message);
  };
  switch (r.verb) {
    case Verb::kGet: r.resource_version = std::string(query.get("resourceVersion").value_or("")); co_return Result<void>{};
    case Verb::kList:
    case Verb::kWatch: r.list = CO_TRY(read_list_options(query, r.verb == Verb::kWatch)); co_return Result<void>{};
    case Verb::kCreate:
    case Verb::kUpdate: {
      auto type = body_media_type(type_header);
      if (!type) co_return fail(unknown_body_format());
      auto body = co_await call.exchange.read_body(kMaxBody);
      if (!body) co_return fail(too_large(body.error()));
      r.write = CO_TRY(read_write_options(query, r.verb == Verb::kCreate ? "CreateOptions" : "UpdateOptions", false));
      r.object = CO_TRY(decode_body(*body, *type, *expected, r.write.field_validation, call.warnings));
      co_return Result<void>{};
    }
    case Verb::kPatch: {
      auto type = patch_type(type_header);
      if (!type) co_return fail(unsupported_patch());
      r.patch_type = *type;
      auto body = co_await call.exchange.read_body(kMaxBody);
      if (!body) co_return fail(too_large(body.error()));
      r.patch = std::move(*body);
      r.write = CO_TRY(read_write_options(query, "PatchOptions", *type == PatchType::kApply));
      co_return Result<void>{};
    }
    case Verb::kDelete:
    case Verb::kDeleteCollection: {
      auto body = co_await call.exchange.read_body(kMaxBody);
      if (!body) co_return fail(too_large(body.error()));
      auto type = body_media_type(type_header).value_or(MediaType::kJson);
      auto options = CO_TRY(decode_delete_options(*body, type));
      if (r.verb == Verb::kDeleteCollection) r.list = CO_TRY(read_list_options(query, false));
      auto del = CO_TRY(read_delete_options(query, options.get()));
      r.del = std::move(del.options);
      r.write.dry_run = del.dry_run;
      co_return Result<void>{};
    }
  }
  co_return Result<void>{};
}

namespace {

// What a request in time and its deadline share; the request may go on after the client was answered.
struct Timed {
  AsyncEvent done;
  std::optional<Result<Response>> result;
};

Task<> wait_for(AsyncEvent* event, Clock* clock, MonoTime deadline) {
  (void)co_await event->wait_until(*clock, deadline);
}

Task<> run_timed(Pipeline* pipeline, Request request, Timed* timed) {
  timed->result = co_await pipeline->run(std::move(request));
  timed->done.set();
}

}  // namespace

Task<Result<Response>> HttpFront::run_in_time(Request request) {
  Timed timed;
  TaskGroup group;
  group.spawn(co_await boost::asio::this_coro::executor, run_timed(parts_.pipeline, std::move(request), &timed));
  // A cancelled handler (the server stops) must outlive the task that writes into its frame.
  auto cancelled = co_await net::catch_cancel(wait_for(&timed.done, parts_.clock, parts_.clock->now() + parts_.request_timeout));
  co_await group.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  if (timed.result) co_return std::move(*timed.result);
  co_return fail(api::timeout("request did not complete within the allotted timeout", 0));
}

Task<> HttpFront::serve_resource(Call& call) {
  const net::Request& http = call.exchange.request();
  const RequestInfo& info = call.info;
  Registry& registry = parts_.pipeline->registry();
  const Resource* resource = registry.resources().find(info.group, info.version, info.resource);
  if (!resource) {
    if (info.prefix == "apis" && !registry.resources().has_group(info.group))
      co_await reply_text(call, 404, "404 page not found\n");
    else co_await reply_error(call, errors::no_such_resource());
    co_return;
  }
  auto made = make_request(call, *resource);
  if (!made) {
    co_await reply_error(call, made.error());
    co_return;
  }
  Request request = std::move(*made);
  call.resource = resource;
  call.shape.verb = request.verb;
  call.shape.name = request.name;
  call.shape.namespace_ = request.namespace_;
  call.shape.subresource = request.subresource;
  if (auto ok = parts_.pipeline->authorize(request); !ok) {
    co_await reply_error(call, ok.error());
    co_return;
  }
  if (is_stream(request.subresource)) {
    if (!parts_.kubelets) {
      co_await reply_error(call, errors::no_such_resource());
      co_return;
    }
    auto served = co_await parts_.kubelets->serve(call.exchange, request.namespace_, request.name, request.subresource);
    if (!served) co_await reply_error(call, served.error());
    else finish(call, 200, 0);
    co_return;
  }
  if (resource->kind->group.empty() && resource->kind->kind == "Endpoints")
    call.warnings.emplace_back("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
  else if (resource->kind->kind == "ComponentStatus") call.warnings.emplace_back("v1 ComponentStatus is deprecated in v1.19+");
  auto negotiated = negotiate(http.headers.get("accept").value_or(""), true);
  if (negotiated.failure != NegotiationFailure::kNone) {
    co_await reply_error(call, not_acceptable_error(negotiated.failure));
    co_return;
  }
  ReplyForm form{negotiated.accepted};
  call.error_type = form.accepted.type;
  Query query(http.query());
  if (form.accepted.view == View::kTable) {
    auto include = api::parse_include_object(query.get("includeObject").value_or(""));
    if (!include) {
      co_await reply_error(call, include.error());
      co_return;
    }
    form.include = *include;
  }
  if (auto ok = co_await read_request_body(call, *resource, request); !ok) {
    co_await reply_error(call, ok.error());
    co_return;
  }
  call.shape.write.dry_run = request.write.dry_run;
  if (request.verb == Verb::kWatch) {
    co_await serve_watch(call, std::move(request), *resource, form);
    co_return;
  }
  auto response = request.verb == Verb::kGet || request.verb == Verb::kList
                      ? co_await parts_.pipeline->run(std::move(request))
                      : co_await run_in_time(std::move(request));
  if (!response) {
    co_await reply_error(call, response.error());
    co_return;
  }
  call.warnings.insert(call.warnings.end(), response->warnings.begin(), response->warnings.end());
  const api::Time now = to_api_time(parts_.clock->wall());
  Result<std::vector<Bytes>> body;
  if (response->form == Response::Form::kList) {
    if (response->list.items.size() > kWorkerAbove) co_await resume_on(parts_.workers);
    body = encode_list(*resource, response->list, form, now);
  } else {
    body = encode_object(response->object, form, now);
  }
  if (!body) {
    co_await reply_error(call, body.error());
    co_return;
  }
  co_await reply(call, response->code, content_type(form.accepted.type), std::move(*body));
}

// ---- watches ----

namespace {

struct WatchJob {
  net::Exchange* exchange;
  WatchStream* stream;
  const Resource* resource;
  ReplyForm form;
  Clock* clock;
  Metrics* metrics;
  AsyncEvent over;
};

Task<> send_events(WatchJob* job) {
  bool first = true;
  for (;;) {
    auto events = co_await job->stream->next();
    std::string out;
    if (!events) {
      if (events.error().code != Code::kUnavailable || api::status_detail(events.error())) {
        append_error_event(out, events.error(), job->form);
        (void)co_await job->exchange->write(Bytes(std::move(out)));
      }
      break;
    }
    const api::Time now = to_api_time(job->clock->wall());
    const api::KindInfo& kind = *job->resource->kind;
    for (auto& event : *events) {
      const std::size_t before = out.size();
      append_event(out, *job->resource, event, job->form, first, now);
      first = false;
      job->metrics->count_watch_event(kind.group, kind.version, kind.resource, out.size() - before);
      if (out.size() > 256 * 1024) {
        if (!co_await job->exchange->write(Bytes(std::exchange(out, {})))) {
          job->over.set();
          co_return;
        }
      }
    }
    if (!out.empty() && !co_await job->exchange->write(Bytes(std::move(out)))) break;
  }
  job->over.set();
}

Task<> note_close(WatchJob* job) {
  co_await job->exchange->closed();
  job->over.set();
}

}  // namespace

Task<> HttpFront::serve_watch(Call& call, Request request, const Resource& resource, ReplyForm form) {
  const Duration timeout = request.list.timeout_s && *request.list.timeout_s > 0
                               ? Duration(std::chrono::seconds(*request.list.timeout_s))
                               : Duration(std::chrono::hours(1));
  auto response = co_await parts_.pipeline->run(std::move(request));
  if (!response) {
    co_await reply_error(call, response.error());
    co_return;
  }
  call.long_running = true;
  parts_.metrics->add_inflight(call.mutating, -1);
  const RequestLabels labels{"WATCH", resource.kind->group, resource.kind->version, resource.kind->resource, "",
                             call.shape.namespace_.empty() ? "cluster" : "namespace", false};
  parts_.metrics->add_long_running(labels, 1);
  struct Counted {
    Metrics* metrics;
    const RequestLabels& labels;
    ~Counted() { metrics->add_long_running(labels, -1); }
  } counted{parts_.metrics, labels};
  auto h = headers(form.accepted.view == View::kObject ? watch_content_type(form.accepted.type) : std::string_view("application/json"), call.audit_id);
  if (!co_await call.exchange.start(200, std::move(h))) co_return;
  WatchJob job{&call.exchange, response->watch.get(), &resource, form, parts_.clock, parts_.metrics, {}};
  TaskGroup group;
  auto ex = co_await boost::asio::this_coro::executor;
  group.spawn(ex, send_events(&job));
  group.spawn(ex, note_close(&job));
  auto cancelled = co_await net::catch_cancel(
      wait_for(&job.over, parts_.clock, parts_.clock->now() + timeout + std::chrono::seconds(1)));
  response->watch->stop();
  co_await group.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  (void)co_await call.exchange.finish();
  finish(call, 200, 0);
}

}  // namespace keelson::apiserver
