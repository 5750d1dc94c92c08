// Errors that only the API answers with, in etcd's words (etcd api/v3rpc/rpctypes/error.go): clients compare
// the text. All others are in kvstore/server/errors.h.
#pragma once

#include "kvstore/server/errors.h"

namespace keelson::kvstore::etcd {

inline Error client_version_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid client api version"};
}

// "PermissionDenied" for 7: gRPC's names of codes, as Go spells them; 0 is "OK".
std::string_view grpc_code_name(int code);

}  // namespace keelson::kvstore::etcd
