// etcdserverpb's Watch messages. Rules as kv_codec.h.
#pragma once

#include <string>
#include <string_view>

#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {

inline constexpr std::int64_t kInvalidWatchId = -1;

struct WatchCreate {
  std::string key;
  std::string end;
  Revision start_revision = 0;
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  std::int64_t watch_id = 0;  // 0: the server chooses
  bool fragment = false;
};

// etcdserverpb.WatchRequest; kNone for one that says nothing (ignored).
struct WatchMessage {
  enum class Kind : std::uint8_t { kNone, kCreate, kCancel, kProgress };
  Kind kind = Kind::kNone;
  WatchCreate create;
  std::int64_t cancel_id = 0;
};
Result<WatchMessage> decode_watch(std::string_view bytes);

// etcdserverpb.WatchResponse without its events.
struct WatchReply {
  std::int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  Revision compact_revision = 0;
  std::string cancel_reason;
  bool fragment = false;
};

// Bytes of an event's submessage, without tag and length.
std::size_t event_size(const Event& e);
// Appends one gRPC message (with its prefix): the reply and `count` events from `events` on.
void append_watch_reply(std::string& out, const Header& h, const WatchReply& r, const Event* events,
                        std::size_t count);

}  // namespace keelson::kvstore::etcd
