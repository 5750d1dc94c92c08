// Credentials: what a call to the store carries about its caller: etcd's `hasleader`, and the token that a
// user name and a password were exchanged for. Thread rule: thread-safe.
#pragma once

#include <mutex>
#include <string>

#include "base/task.h"
#include "net/grpc.h"

namespace keelson::kvstore {

class Credentials {
 public:
  // Without a `user`: no token.
  Credentials(std::string user, std::string password)
      : user_(std::move(user)), password_(std::move(password)) {}

  // For a call to the member behind `grpc`; asks it for a token where there is none. A store without
  // authentication needs none.
  Task<Result<net::Headers>> metadata(net::GrpcClient grpc, Duration timeout);
  // Whether a call with `sent` that was refused so did nothing and may be sent again with a new token.
  bool renew(const net::Headers& sent, const Error& refusal);

 private:
  const std::string user_, password_;
  std::mutex mu_;
  std::string token_;  // under mu_; empty: not asked for yet
};

}  // namespace keelson::kvstore
