// What all services of the API need of the codecs: kvstore/rpc has the messages of KV, Watch and Lease; the
// others are written field by field with its helpers. Field numbers: etcd api/etcdserverpb/rpc.proto,
// mvccpb/kv.proto.
#pragma once

#include <string>

#include "base/error.h"
#include "base/wire.h"
#include "kvstore/rpc/codec.h"
#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::etcd {

using rpc::malformed;
using rpc::put_bool;
using rpc::put_bytes;
using rpc::put_header;
using rpc::put_int;
using rpc::put_key_value;
using rpc::put_uint;

inline Header with_revision(Header h, Revision revision) {
  h.revision = revision;
  return h;
}

// A message of kvstore/rpc, as bytes.
template <class... Parts>
Bytes encoded(const Parts&... parts) {
  std::string out;
  rpc::encode(parts..., out);
  return Bytes(std::move(out));
}
// A response that is a header alone.
inline Bytes header_only(const Header& h) {
  return encoded(h);
}
template <class Message>
Result<Message> decoded(const Bytes& in) {
  Message m;
  TRY(rpc::decode(in, m));
  return m;
}

}  // namespace keelson::kvstore::etcd
