#include "kvstore/server/etcd/watch_codec.h"

#include "net/grpc.h"

namespace keelson::kvstore::etcd {
namespace {

void add_filter(WatchCreate& c, std::uint64_t filter) {
  if (filter == 0) c.no_put = true;
  if (filter == 1) c.no_delete = true;
}

// A repeated enum: packed (proto3's way) or one by one.
bool read_filters(WatchCreate& c, wire::Reader& r) {
  if (r.type() == wire::Type::kVarint) {
    add_filter(c, r.uint());
    return true;
  }
  std::string_view packed = r.bytes();
  while (!packed.empty()) {
    std::uint64_t v = 0;
    std::size_t i = 0;
    for (; i < packed.size() && i < 10; ++i) {
      const auto b = static_cast<unsigned char>(packed[i]);
      v |= std::uint64_t{b & 0x7fU} << (7 * i);
      if ((b & 0x80) == 0) break;
    }
    if (i == packed.size() || i == 10) return false;
    add_filter(c, v);
    packed.remove_prefix(i + 1);
  }
  return true;
}

Result<WatchCreate> decode_create(std::string_view bytes) {
  WatchCreate c;
  wire::Reader r(bytes);
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
        if (!read_filters(c, r)) return malformed();
        break;
      case 6:
        c.prev_kv = r.boolean();
        break;
      case 7:
        c.watch_id = r.sint();
        break;
      case 8:
        c.fragment = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return c;
}

}  // namespace

Result<WatchMessage> decode_watch(std::string_view bytes) {
  WatchMessage m;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() < 1 || r.field() > 3) continue;
    const std::string_view body = r.bytes();
    if (!r.ok()) break;
    if (r.field() == 1) {
      m.kind = WatchMessage::Kind::kCreate;
      m.create = TRY(decode_create(body));
    } else if (r.field() == 2) {
      m.kind = WatchMessage::Kind::kCancel;
      wire::Reader inner(body);
      while (inner.next()) {
        if (inner.field() == 1) m.cancel_id = inner.sint();
      }
      if (!inner.ok()) return malformed();
    } else {
      m.kind = WatchMessage::Kind::kProgress;
    }
  }
  if (!r.ok()) return malformed();
  return m;
}

std::size_t event_size(const Event& e) {
  const auto nested = [](std::size_t n) { return 1 + wire::varint_size(n) + n; };
  std::size_t n = nested(key_value_size(e.kv));
  if (e.type == Event::Type::kDelete) n += 2;
  if (e.prev_kv) n += nested(key_value_size(*e.prev_kv));
  return n;
}

void append_watch_reply(std::string& out, const Header& h, const WatchReply& r, const Event* events,
                        std::size_t count) {
  std::size_t size = 96 + r.cancel_reason.size();
  for (std::size_t i = 0; i < count; ++i) size += event_size(events[i]) + 6;
  if (out.capacity() - out.size() < size) out.reserve(std::max(out.size() + size, 2 * out.capacity()));
  const auto mark = net::begin_grpc_frame(out);
  wire::Writer w(out);
  put_header(w, h);
  put_int(w, 2, r.watch_id);
  put_bool(w, 3, r.created);
  put_bool(w, 4, r.canceled);
  put_int(w, 5, r.compact_revision);
  put_bytes(w, 6, r.cancel_reason);
  put_bool(w, 7, r.fragment);
  for (std::size_t i = 0; i < count; ++i) {
    const Event& e = events[i];
    w.tag(11, wire::Type::kBytes);
    w.length(event_size(e));
    if (e.type == Event::Type::kDelete) w.uint(1, 1);
    put_key_value(w, 2, e.kv);
    if (e.prev_kv) put_key_value(w, 3, *e.prev_kv);
  }
  net::end_grpc_frame(out, mark);
}

}  // namespace keelson::kvstore::etcd
