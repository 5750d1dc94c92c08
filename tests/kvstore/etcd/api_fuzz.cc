// The decoders of the etcd v3 API on arbitrary bytes, and what the gateway makes of them: JSON of a decoded
// message becomes the same JSON again.
#include <cstdint>
#include <cstdlib>

#include "kvstore/server/etcd/json.h"
#include "kvstore/server/etcd/wire.h"

using namespace keelson::kvstore::etcd;
namespace rpc = keelson::kvstore::rpc;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Schema kSchema(schema_text());
  if (size == 0) return 0;
  static constexpr const char* kMessages[] = {"etcdserverpb.TxnRequest", "etcdserverpb.WatchRequest",
                                              "etcdserverpb.RangeResponse", "etcdserverpb.StatusResponse"};
  const auto* message = kSchema.message(kMessages[data[0] % 4]);
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const keelson::Bytes shared(bytes);
  (void)decoded<keelson::kvstore::RangeRequest>(shared);
  (void)decoded<keelson::kvstore::PutRequest>(shared);
  (void)decoded<keelson::kvstore::DeleteRequest>(shared);
  (void)decoded<keelson::kvstore::TxnRequest>(shared);
  (void)decoded<rpc::CompactionRequest>(shared);
  (void)decoded<rpc::WatchCall>(shared);
  // What a client is told.
  (void)decoded<rpc::WatchReply>(shared);
  keelson::kvstore::Header header;
  keelson::kvstore::RangeResult range;
  (void)rpc::decode(shared, header, range);
  keelson::kvstore::TxnResult txn;
  (void)rpc::decode(shared, header, txn);
  (void)json_value_end(bytes);
  (void)json_to_wire(*message, bytes);
  std::string json;
  if (!wire_to_json(*message, bytes, json)) return 0;
  const auto wire = json_to_wire(*message, json);
  if (!wire) return 0;  // text that is not UTF-8
  std::string again;
  if (!wire_to_json(*message, *wire, again)) std::abort();
  return 0;
}
