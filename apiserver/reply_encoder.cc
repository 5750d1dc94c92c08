#include "apiserver/reply_encoder.h"

#include <fmt/format.h>

#include "api/gen/meta_v1.h"
#include "api/json.h"
#include "api/protobuf.h"
#include "api/status.h"
#include "api/yaml.h"
#include "apiserver/body_decoder.h"
#include "apiserver/errors.h"

namespace keelson::apiserver {
namespace {

constexpr std::size_t kShareAbove = 2048;  // larger items are shared, not copied

void append_varint(std::string& out, std::uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}

std::size_t varint_size(std::uint64_t v) {
  std::size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}

// k8s\0 and runtime.Unknown up to its raw bytes, of which `raw_size` follow.
std::string envelope_head(std::string_view api_version, std::string_view kind, std::size_t raw_size) {
  std::string type;
  type += '\x0a';
  append_varint(type, api_version.size());
  type += api_version;
  type += '\x12';
  append_varint(type, kind.size());
  type += kind;
  std::string out(api::kProtobufMagic);
  out += '\x0a';
  append_varint(out, type.size());
  out += type;
  out += '\x12';
  append_varint(out, raw_size);
  return out;
}
constexpr std::string_view kEnvelopeTail{"\x1a\x00\x22\x00", 4};

std::string enveloped(const ObjectVersion& version) {
  const api::KindInfo& kind = *version.object()->kind();
  auto raw = version.protobuf();
  std::string out = envelope_head(kind.api_version, kind.kind, raw.size());
  out += raw;
  out += kEnvelopeTail;
  return out;
}

std::string whole_json(const ObjectVersion& version) {
  auto body = version.json();
  std::string out = "{" + api::json_type_meta(*version.object()->kind());
  if (body.size() == 2) out.pop_back();
  out.append(body.substr(1));
  return out;
}

std::string_view meta_version(const Accepted& a) { return a.beta ? "v1beta1" : "v1"; }

std::vector<Bytes> one(std::string text) {
  std::vector<Bytes> out;
  out.emplace_back(std::move(text));
  return out;
}

std::vector<Bytes> in_type(std::string json, MediaType type) {
  if (type == MediaType::kYaml) return one(api::json_to_yaml(json));
  json += '\n';
  return one(std::move(json));
}

bool is_status(const api::Object& object) { return object.kind()->kind == "Status"; }

api::TableOptions table_options(const ReplyForm& form) {
  api::TableOptions o;
  o.include = form.include;
  o.version = meta_version(form.accepted);
  return o;
}

// Collects pieces, copying small ones together.
class Pieces {
 public:
  std::string& text() { return text_; }
  void share(const VersionPtr& owner, std::string_view bytes) {
    if (bytes.size() < kShareAbove) {
      text_ += bytes;
      return;
    }
    flush();
    out_.emplace_back(std::shared_ptr<const void>(owner), bytes);
  }
  std::vector<Bytes> finish() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    if (!text_.empty()) out_.emplace_back(std::exchange(text_, {}));
  }
  std::string text_;
  std::vector<Bytes> out_;
};

std::vector<Bytes> list_json(const Resource& resource, const ListResult& list) {
  Pieces out;
  std::string& head = out.text();
  head = fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{{", resource.kind->list_kind, resource.kind->api_version);
  if (list.revision != 0) head += fmt::format("\"resourceVersion\":\"{}\"", list.revision);
  if (!list.continue_token.empty()) head += fmt::format(",\"continue\":\"{}\"", list.continue_token);
  if (list.remaining) head += fmt::format(",\"remainingItemCount\":{}", *list.remaining);
  head += "},\"items\":[";
  bool first = true;
  for (auto& item : list.items) {
    if (!first) out.text() += ',';
    first = false;
    out.share(item, item->json());
  }
  out.text() += "]}\n";
  return out.finish();
}

std::vector<Bytes> list_protobuf(const Resource& resource, const ListResult& list) {
  auto object = api::Object::make(*resource.kind->list_type);
  const api::Field* field = object->type().find("metadata");
  auto meta = api::meta_v1::ListMetaMut(object->root().struct_at(*field));
  if (list.revision != 0) meta.set_resource_version(std::to_string(list.revision));
  meta.set_continue(list.continue_token);
  if (list.remaining) meta.set_remaining_item_count(*list.remaining);
  std::string head = api::encode_protobuf(object->root());
  std::size_t size = head.size();
  for (auto& item : list.items) {
    const std::size_t n = item->protobuf().size();
    size += 1 + varint_size(n) + n;
  }
  Pieces out;
  out.text() = envelope_head(resource.kind->api_version, resource.kind->list_kind, size);
  out.text() += head;
  for (auto& item : list.items) {
    auto bytes = item->protobuf();
    out.text() += '\x12';
    append_varint(out.text(), bytes.size());
    out.share(item, bytes);
  }
  out.text() += kEnvelopeTail;
  return out.finish();
}

std::string_view event_name(WatchEvent::Type type) {
  switch (type) {
    case WatchEvent::Type::kAdded: return "ADDED";
    case WatchEvent::Type::kModified: return "MODIFIED";
    case WatchEvent::Type::kDeleted: return "DELETED";
    case WatchEvent::Type::kBookmark: break;
  }
  return "BOOKMARK";
}

// A frame: its length in four bytes, then WatchEvent{1: type, 2: RawExtension{1: raw}}.
void append_frame(std::string& out, std::string_view type, std::string_view object) {
  std::string extension;
  extension += '\x0a';
  append_varint(extension, object.size());
  std::string event;
  event += '\x0a';
  append_varint(event, type.size());
  event += type;
  event += '\x12';
  append_varint(event, extension.size() + object.size());
  event += extension;
  const std::size_t size = event.size() + object.size();
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 255);
  out += event;
  out += object;
}

api::ObjectPtr status_of(const Error& error) {
  auto status = api::status_object(error);
  auto* detail = api::status_detail(error);
  if (!detail || detail->continue_token.empty()) return status;
  auto copy = status->clone();
  api::meta_v1::StatusMut::of(*copy).mutable_metadata().set_continue(detail->continue_token);
  return api::freeze(std::move(copy));
}

}  // namespace

std::string encode_status(const Error& error, MediaType type) {
  auto status = status_of(error);
  if (type == MediaType::kProtobuf) return api::encode_enveloped(*status);
  std::string json = api::encode_json(*status);
  if (type == MediaType::kYaml) return api::json_to_yaml(json);
  return json + "\n";
}

Result<std::vector<Bytes>> encode_object(const VersionPtr& version, const ReplyForm& form, api::Time now) {
  const api::Object& object = *version->object();
  const Accepted& a = form.accepted;
  if (a.view == View::kPartialList && !is_status(object))
    return fail(api::not_acceptable(fmt::format("you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})",
                                                go_package(object.kind()->group), object.kind()->kind)));
  if (a.view == View::kTable && !is_status(object)) return in_type(api::table_of(object, table_options(form), now), a.type);
  if (a.view == View::kPartial && !is_status(object)) {
    std::string json;
    api::append_partial_metadata(json, object, meta_version(a));
    return in_type(std::move(json), a.type);
  }
  if (a.type == MediaType::kProtobuf) return one(enveloped(*version));
  if (a.type == MediaType::kYaml) return one(api::json_to_yaml(whole_json(*version)));
  auto body = version->json();
  if (body.size() < kShareAbove) return in_type(whole_json(*version), a.type);
  std::vector<Bytes> out;
  out.emplace_back("{" + api::json_type_meta(*object.kind()));
  out.emplace_back(std::shared_ptr<const void>(version), body.substr(1));
  out.push_back(Bytes::literal("\n"));
  return out;
}

Result<std::vector<Bytes>> encode_list(const Resource& resource, const ListResult& list, const ReplyForm& form,
                                       api::Time now) {
  const Accepted& a = form.accepted;
  if (a.view == View::kPartial)
    return fail(api::not_acceptable(fmt::format("you requested PartialObjectMetadata, but the requested object is a list (*{}.{})",
                                                go_package(resource.kind->group), resource.kind->list_kind)));
  if (a.view == View::kObject && a.type == MediaType::kProtobuf) return list_protobuf(resource, list);
  if (a.view == View::kObject && a.type == MediaType::kJson) return list_json(resource, list);
  std::string json;
  const std::string revision = list.revision ? std::to_string(list.revision) : "";
  const api::ListPosition position{revision, list.continue_token, list.remaining};
  if (a.view == View::kTable) {
    auto options = table_options(form);
    api::begin_table(json, *resource.kind, position, options);
    for (auto& item : list.items) api::append_row(json, *item->object(), options, now);
    api::end_table(json);
  } else if (a.view == View::kPartialList) {
    api::begin_partial_list(json, position, meta_version(a));
    for (auto& item : list.items) api::append_partial_item(json, *item->object(), meta_version(a));
    api::end_partial_list(json);
  } else {
    for (auto& piece : list_json(resource, list)) json += piece.view();
  }
  return in_type(std::move(json), a.type);
}

void append_event(std::string& out, const Resource& resource, const WatchEvent& event, const ReplyForm& form, bool first,
                  api::Time now) {
  const Accepted& a = form.accepted;
  const api::Object& object = *event.object->object();
  if (a.view == View::kObject && a.type == MediaType::kProtobuf) {
    append_frame(out, event_name(event.type), enveloped(*event.object));
    return;
  }
  out += "{\"type\":\"";
  out += event_name(event.type);
  out += "\",\"object\":";
  if (a.view == View::kTable) {
    auto options = table_options(form);
    options.columns = first;
    if (event.type == WatchEvent::Type::kBookmark) {
      const std::string revision(object.resource_version());
      api::begin_table(out, *resource.kind, {revision, "", std::nullopt}, options);
      api::append_row(out, object, options, now);
      api::end_table(out);
    } else {
      out += api::table_of(object, options, now);
    }
  } else if (a.view != View::kObject) {
    api::append_partial_metadata(out, object, meta_version(a));
  } else {
    out += resource.json_head;
    out += event.object->json().substr(1);
  }
  out += "}\n";
}

void append_error_event(std::string& out, const Error& error, const ReplyForm& form) {
  auto status = status_of(error);
  if (form.accepted.type == MediaType::kProtobuf && form.accepted.view == View::kObject) {
    append_frame(out, "ERROR", api::encode_enveloped(*status));
    return;
  }
  out += "{\"type\":\"ERROR\",\"object\":" + api::encode_json(*status) + "}\n";
}

}  // namespace keelson::apiserver
