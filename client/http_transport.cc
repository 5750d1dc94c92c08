#include "client/http_transport.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <utility>
#include <vector>

#include "api/gen/meta_v1.h"
#include "api/json.h"
#include "api/json_value.h"
#include "api/kinds.h"
#include "api/object.h"
#include "api/protobuf.h"
#include "api/status.h"

namespace keelson::client {

namespace meta = api::meta_v1;

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr int kAttempts = 5;

class Query {
 public:
  void add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    text_ += text_.empty() ? "?" : "&";
    text_ += name;
    text_ += "=";
    text_ += net::percent_encode(value);
  }
  void add(std::string_view name, std::int64_t value) {
    if (value != 0) add(name, std::to_string(value));
  }
  void add(std::string_view name, bool value) {
    if (value) add(name, std::string_view("true"));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_list_options(Query& q, const ListOptions& o) {
  q.add("labelSelector", o.label_selector);
  q.add("fieldSelector", o.field_selector);
  q.add("resourceVersion", o.resource_version);
  q.add("resourceVersionMatch", o.resource_version_match);
  q.add("continue", o.continue_token);
  q.add("limit", o.limit);
}

Query write_query(const WriteOptions& o) {
  Query q;
  q.add("fieldManager", o.field_manager);
  if (o.dry_run) q.add("dryRun", std::string_view("All"));
  return q;
}

std::string delete_body(const DeleteOptions& o) {
  auto object = api::Object::make(meta::DeleteOptions::kind_info());
  auto d = meta::DeleteOptionsMut::of(*object);
  if (o.grace_period_s) d.set_grace_period_seconds(*o.grace_period_s);
  if (!o.propagation_policy.empty()) d.set_propagation_policy(o.propagation_policy);
  if (!o.precondition_uid.empty()) d.mutable_preconditions().set_uid(o.precondition_uid);
  if (!o.precondition_resource_version.empty()) {
    d.mutable_preconditions().set_resource_version(o.precondition_resource_version);
  }
  boost::json::object out{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  const boost::json::value fields = api::to_json_value(object->root());
  for (const auto& [key, value] : fields.as_object()) {
    if (key != "kind" && key != "apiVersion") out[key] = value;
  }
  return boost::json::serialize(out);
}

bool is_protobuf(const net::Headers& headers) {
  const auto type = headers.get("content-type");
  return type && type->starts_with(kProtobuf);
}

// One object from a body, of the kind that it names itself.
Result<std::unique_ptr<api::Object>> decode_body(std::string_view body, bool protobuf) {
  if (protobuf) {
    const api::Envelope envelope = TRY(api::open_envelope(body));
    const api::KindInfo* kind = api::find_kind(envelope.api_version, envelope.kind);
    if (kind == nullptr) return fail(Code::kUnimplemented, "unknown kind " + std::string(envelope.kind));
    return api::decode_protobuf(envelope.raw, *kind);
  }
  const api::TypeMeta type = TRY(api::find_type_meta(body));
  const api::KindInfo* kind = api::find_kind(type.api_version, type.kind);
  if (kind == nullptr) return fail(Code::kUnimplemented, "unknown kind " + type.kind);
  return api::parse_json(body, *kind);
}

// A list's items become objects of their own.
Result<ListResult> decode_list(std::string_view body, bool protobuf, const api::KindInfo& kind) {
  std::unique_ptr<api::Object> list;
  if (protobuf) {
    const api::Envelope envelope = TRY(api::open_envelope(body));
    list = TRY(api::decode_protobuf(envelope.raw, *kind.list_type));
  } else {
    list = TRY(api::parse_json(body, *kind.list_type));
  }
  ListResult out;
  const meta::ListMeta metadata(list->root().find("metadata").as_struct());
  out.resource_version = metadata.resource_version();
  out.continue_token = metadata.continue_();
  const api::Value& items = list->root().find("items");
  for (const api::Value& item : api::ListRef(items.as_list())) {
    auto object = api::Object::make(kind, 2048);
    api::StructMut root = object->root();
    const api::StructRef from(item.as_struct());
    for (const api::Field& field : kind.type->fields) {
      root.slot_mut(field.index) = api::copy_value(object->arena(), from.slot(field));
    }
    out.items.push_back(api::freeze(std::move(object)));
  }
  return out;
}

Error status_error(const net::ClientResponse& response, std::string_view verb) {
  const bool protobuf = is_protobuf(response.headers);
  auto object = decode_body(response.body, protobuf);
  if (object && &(*object)->type() == &meta::Status::type_info()) return api::error_from_status(**object);
  return api::generic_response(response.status, verb, {}, "", response.body.substr(0, 1024), 0);
}

std::optional<Duration> retry_after(const net::ClientResponse& response) {
  if (response.status != 429 && response.status < 500) return std::nullopt;
  const auto value = response.headers.get("retry-after");
  if (!value) return std::nullopt;
  int seconds = 0;
  auto [end, ec] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  if (ec != std::errc() || end != value->data() + value->size() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, 60));
}

class HttpWatch final : public WatchStream {
 public:
  HttpWatch(std::unique_ptr<net::ClientStream> stream, const api::KindInfo& kind)
      : stream_(std::move(stream)), kind_(kind) {}

  Task<Result<WatchEvent>> next() override {
    for (;;) {
      if (const auto end = buffer_.find('\n', scanned_); end != std::string::npos) {
        const std::string line = buffer_.substr(begin_, end - begin_);
        begin_ = scanned_ = end + 1;
        if (line.empty()) continue;
        co_return decode(line);
      }
      buffer_.erase(0, begin_);
      begin_ = 0;
      scanned_ = buffer_.size();
      auto piece = co_await stream_->read_some();
      if (!piece) co_return fail(piece.error());
      if (piece->empty()) co_return fail(Code::kUnavailable, "the watch ended");
      buffer_ += *piece;
    }
  }

 private:
  Result<WatchEvent> decode(const std::string& line) {
    auto event = TRY(api::parse_json(line, meta::WatchEvent::type_info()));
    const auto view = meta::WatchEvent::of(*event);
    WatchEvent out;
    if (view.type() == "ERROR") {
      auto status = TRY(decode_body(view.object(), false));
      if (&status->type() != &meta::Status::type_info())
        return fail(Code::kInternal, "malformed watch error");
      return fail(api::error_from_status(*status));
    }
    if (view.type() == "ADDED") out.type = WatchEvent::Type::kAdded;
    if (view.type() == "MODIFIED") out.type = WatchEvent::Type::kModified;
    if (view.type() == "DELETED") out.type = WatchEvent::Type::kDeleted;
    if (view.type() == "BOOKMARK") out.type = WatchEvent::Type::kBookmark;
    out.object = api::freeze(TRY(api::parse_json(view.object(), kind_)));
    return out;
  }

  std::unique_ptr<net::ClientStream> stream_;
  const api::KindInfo& kind_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the next line
  std::size_t scanned_ = 0;  // up to here there is no end of line
};

std::string_view patch_content_type(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";
  }
  return "";
}

}  // namespace

std::string resource_path(const api::KindInfo& kind, std::string_view ns, std::string_view name,
                          std::string_view subresource) {
  std::string path = kind.group.empty() ? "/api/" : "/apis/" + std::string(kind.group) + "/";
  path += kind.version;
  if (kind.namespaced && !ns.empty()) path += "/namespaces/" + net::percent_encode(ns);
  path += "/";
  path += kind.resource;
  if (!name.empty()) path += "/" + net::percent_encode(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

HttpTransport::HttpTransport(std::shared_ptr<net::HttpClient> http, Clock& clock,
                             HttpTransportOptions options)
    : http_(std::move(http)), clock_(clock), options_(std::move(options)) {}

net::ClientRequest HttpTransport::request(std::string method, std::string target, std::string body,
                                          std::string_view content_type, bool accept_protobuf) const {
  net::ClientRequest r;
  r.method = std::move(method);
  r.target = std::move(target);
  r.headers.add("user-agent", options_.user_agent);
  r.headers.add("accept", accept_protobuf && options_.protobuf
                              ? std::string(kProtobuf) + ", " + std::string(kJson)
                              : std::string(kJson));
  if (!body.empty()) r.headers.add("content-type", std::string(content_type));
  if (options_.token) {
    if (std::string token = options_.token(); !token.empty())
      r.headers.add("authorization", "Bearer " + token);
  }
  r.body = Bytes(std::move(body));
  return r;
}

Task<Result<net::ClientResponse>> HttpTransport::call(net::ClientRequest request) {
  for (int attempt = 1;; ++attempt) {
    auto response = co_await http_->call(request, options_.timeout);
    if (!response) co_return fail(response.error());
    if (response->status >= 200 && response->status < 300) co_return std::move(*response);
    const auto delay = retry_after(*response);
    if (!delay || attempt == kAttempts) co_return fail(status_error(*response, request.method));
    co_await clock_.sleep_for(*delay);
  }
}

Task<Result<api::ObjectPtr>> HttpTransport::call_for_object(net::ClientRequest request) {
  auto response = CO_TRY(co_await call(std::move(request)));
  auto object = CO_TRY(decode_body(response.body, is_protobuf(response.headers)));
  if (&object->type() == &meta::Status::type_info()) {
    const auto status = meta::Status::of(*object);
    if (status.status() == "Failure") co_return fail(api::error_from_status(*object));
    co_return api::ObjectPtr();
  }
  co_return api::freeze(std::move(object));
}

Task<Result<api::ObjectPtr>> HttpTransport::send_object(std::string method, std::string target,
                                                        api::ObjectPtr object) {
  const bool protobuf = options_.protobuf;
  co_return co_await call_for_object(
      request(std::move(method), std::move(target),
              protobuf ? api::encode_enveloped(*object) : api::encode_json(*object),
              protobuf ? kProtobuf : kJson, true));
}

Task<Result<api::ObjectPtr>> HttpTransport::get(const api::KindInfo& kind, std::string ns, std::string name,
                                                GetOptions options) {
  Query q;
  q.add("resourceVersion", options.resource_version);
  co_return co_await call_for_object(
      request("GET", resource_path(kind, ns, name, options.subresource) + q.text(), "", "", true));
}

Task<Result<ListResult>> HttpTransport::list(const api::KindInfo& kind, std::string ns, ListOptions options) {
  Query q;
  add_list_options(q, options);
  auto response =
      CO_TRY(co_await call(request("GET", resource_path(kind, ns, "", "") + q.text(), "", "", true)));
  co_return decode_list(response.body, is_protobuf(response.headers), kind);
}

Task<Result<std::unique_ptr<WatchStream>>> HttpTransport::watch(const api::KindInfo& kind, std::string ns,
                                                                WatchOptions options) {
  Query q;
  add_list_options(q, options);
  q.add("watch", true);
  q.add("allowWatchBookmarks", options.allow_bookmarks);
  if (options.send_initial_events) q.add("sendInitialEvents", true);
  q.add("timeoutSeconds", options.timeout_s);
  auto stream = CO_TRY(
      co_await http_->open(request("GET", resource_path(kind, ns, "", "") + q.text(), "", "", false), false));
  if (stream->status() == 200) co_return std::make_unique<HttpWatch>(std::move(stream), kind);
  net::ClientResponse response;
  response.status = stream->status();
  response.headers = stream->headers();
  while (response.body.size() < 64 * 1024) {
    auto piece = co_await stream->read_some();
    if (!piece || piece->empty()) break;
    response.body += *piece;
  }
  co_return fail(status_error(response, "WATCH"));
}

Task<Result<api::ObjectPtr>> HttpTransport::create(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  const std::string name = options.subresource.empty() ? "" : std::string(object->name());
  co_return co_await send_object(
      "POST", resource_path(kind, ns, name, options.subresource) + write_query(options).text(), object);
}

Task<Result<api::ObjectPtr>> HttpTransport::update(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  co_return co_await send_object(
      "PUT", resource_path(kind, ns, object->name(), options.subresource) + write_query(options).text(),
      object);
}

Task<Result<api::ObjectPtr>> HttpTransport::patch(const api::KindInfo& kind, std::string ns, std::string name,
                                                  PatchType type, std::string body, WriteOptions options) {
  co_return co_await call_for_object(
      request("PATCH", resource_path(kind, ns, name, options.subresource) + write_query(options).text(),
              std::move(body), patch_content_type(type), true));
}

Task<Result<api::ObjectPtr>> HttpTransport::remove(const api::KindInfo& kind, std::string ns,
                                                   std::string name, DeleteOptions options) {
  co_return co_await call_for_object(
      request("DELETE", resource_path(kind, ns, name, ""), delete_body(options), kJson, true));
}

Task<Result<void>> HttpTransport::delete_collection(const api::KindInfo& kind, std::string ns,
                                                    DeleteOptions options, ListOptions which) {
  Query q;
  add_list_options(q, which);
  // The reply lists what was deleted; nobody reads it.
  CO_TRY(co_await call(
      request("DELETE", resource_path(kind, ns, "", "") + q.text(), delete_body(options), kJson, true)));
  co_return Result<void>{};
}

}  // namespace keelson::client
