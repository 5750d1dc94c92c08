// A transaction as bytes in a log entry (docs/formats/command.md). Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

// Appends the fields of `txn`.
void encode(std::string& out, const TxnRequest& txn);
// False for malformed bytes, for a field that this version does not know, and for transactions nested more
// deeply than any proposer may. `at` lies in `all`, whose memory the values of puts share.
bool decode(const Bytes& all, std::string_view at, TxnRequest& txn);

}  // namespace keelson::kvstore
