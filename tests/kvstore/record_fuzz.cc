// Decoders of log commands and backend records: any bytes are decoded or refused; what decodes encodes to
// what decodes the same.
#include <cstdlib>

#include "kvstore/backend/backend.h"
#include "kvstore/server/command.h"

using namespace keelson;
using namespace keelson::kvstore;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto c = decode_command(Bytes::copy(bytes)); c && c->kind == Command::Kind::kTxn) {
    const auto once = encode_txn(c->txn);
    auto again = decode_command(Bytes(once));
    if (!again || encode_txn(again->txn) != once) std::abort();
  }
  DecodedVersion v;
  if (decode_version(bytes, v)) {
    std::string record;
    encode_version(*Item::make(v.fields, v.key, v.value), record);
    DecodedVersion again;
    if (!decode_version(record, again) || again.key != v.key || again.value != v.value) std::abort();
  }
  return 0;
}
