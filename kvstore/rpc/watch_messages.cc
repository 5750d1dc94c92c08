// WatchRequest and WatchResponse.
#include <algorithm>

#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::rpc {
namespace {

constexpr std::uint64_t kNoPut = 0;
constexpr std::uint64_t kNoDelete = 1;

void add_filter(std::uint64_t filter, WatchRequest& v) {
  if (filter == kNoPut) v.no_put = true;
  if (filter == kNoDelete) v.no_delete = true;
}

// A repeated enum: packed (proto3's way) or one by one.
bool read_filters(wire::Reader& r, WatchRequest& v) {
  if (r.type() == wire::Type::kVarint) {
    add_filter(r.uint(), v);
    return true;
  }
  std::string_view packed = r.bytes();
  while (!packed.empty()) {
    std::uint64_t filter = 0;
    std::size_t i = 0;
    for (; i < packed.size() && i < 10; ++i) {
      const auto b = static_cast<unsigned char>(packed[i]);
      filter |= std::uint64_t{b & 0x7fU} << (7 * i);
      if ((b & 0x80) == 0) break;
    }
    if (i == packed.size() || i == 10) return false;
    add_filter(filter, v);
    packed.remove_prefix(i + 1);
  }
  return true;
}

Result<void> decode_create(std::string_view in, WatchCall& v) {
  WatchRequest& c = v.create;
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        c.key = r.bytes();
        break;
      case 2:
        c.end = r.bytes();
        break;
      case 3:
        c.start_revision = r.sint();
        break;
      case 4:
        c.progress_notify = r.boolean();
        break;
      case 5:
        if (!read_filters(r, c)) return malformed();
        break;
      case 6:
        c.prev_kv = r.boolean();
        break;
      case 7:
        v.watch_id = r.sint();
        break;
      case 8:
        v.fragment = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

std::size_t event_body_size(const Event& v) {
  return (v.type == Event::Type::kDelete ? 2 : 0) + message_size(key_value_size(v.kv)) +
         (v.prev_kv ? message_size(key_value_size(*v.prev_kv)) : 0);
}

Result<void> decode_event(const Bytes& whole, std::string_view in, Event& v) {
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.type = r.uint() == 1 ? Event::Type::kDelete : Event::Type::kPut;
        break;
      case 2:
        TRY(decode_key_value(whole, r.bytes(), v.kv));
        break;
      case 3:
        TRY(decode_key_value(whole, r.bytes(), v.prev_kv.emplace()));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace

void encode(const WatchCall& v, std::string& out) {
  wire::Writer w(out);
  const auto m = w.begin(static_cast<std::uint32_t>(v.kind));
  if (v.kind == WatchCall::Kind::kCreate) {
    put_bytes(w, 1, v.create.key);
    put_bytes(w, 2, v.create.end);
    put_int(w, 3, v.create.start_revision);
    put_bool(w, 4, v.create.progress_notify);
    if (v.create.no_put) w.uint(5, kNoPut);
    if (v.create.no_delete) w.uint(5, kNoDelete);
    put_bool(w, 6, v.create.prev_kv);
    put_int(w, 7, v.watch_id);
    put_bool(w, 8, v.fragment);
  } else if (v.kind == WatchCall::Kind::kCancel) {
    put_int(w, 1, v.watch_id);
  }
  w.end(m);
}

Result<void> decode(const Bytes& in, WatchCall& v) {
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() > 3) continue;
    v.kind = static_cast<WatchCall::Kind>(r.field());
    const auto body = r.bytes();
    if (v.kind == WatchCall::Kind::kCreate) TRY(decode_create(body, v));
    if (v.kind == WatchCall::Kind::kCancel) {
      wire::Reader cancel(body);
      while (cancel.next())
        if (cancel.field() == 1) v.watch_id = cancel.sint();
      if (!cancel.ok()) return malformed();
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

std::size_t encoded_size(const Event& event) {
  return message_size(event_body_size(event));
}

void encode(const WatchReply& v, std::string& out) {
  encode(v, {}, out);
  encode_events(v.events, out);
}

void encode(const WatchReply& v, std::string_view events, std::string& out) {
  wire::Writer w(out);
  put_header(w, v.header);
  put_int(w, 2, v.watch_id);
  put_bool(w, 3, v.created);
  put_bool(w, 4, v.canceled);
  put_int(w, 5, v.compact_revision);
  put_bytes(w, 6, v.cancel_reason);
  put_bool(w, 7, v.fragment);
  out.append(events);
}

void encode_events(std::span<const Event> events, std::string& out) {
  std::size_t n = 0;
  for (const auto& e : events) n += encoded_size(e);
  if (out.capacity() - out.size() < n) out.reserve(std::max(out.size() + n, 2 * out.capacity()));
  wire::Writer w(out);
  for (const auto& e : events) {
    w.tag(11, wire::Type::kBytes);
    w.length(event_body_size(e));
    if (e.type == Event::Type::kDelete) w.uint(1, 1);
    put_key_value(w, 2, e.kv);
    if (e.prev_kv) put_key_value(w, 3, *e.prev_kv);
  }
}

Result<void> decode(const Bytes& in, WatchReply& v) {
  TRY(decode_header(in, v.header));
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 2:
        v.watch_id = r.sint();
        break;
      case 3:
        v.created = r.boolean();
        break;
      case 4:
        v.canceled = r.boolean();
        break;
      case 5:
        v.compact_revision = r.sint();
        break;
      case 6:
        v.cancel_reason = r.bytes();
        break;
      case 7:
        v.fragment = r.boolean();
        break;
      case 11:
        TRY(decode_event(in, r.bytes(), v.events.emplace_back()));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace keelson::kvstore::rpc
