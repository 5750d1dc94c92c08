// Endpoints: the members of the store a client knows, and which of them to talk to. One is current; it stays
// so until a call to it fails, then the next one that has not failed lately takes its place. One HTTP/2
// connection per member. Thread rule: thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kvstore/client/credentials.h"
#include "net/grpc.h"

namespace keelson::kvstore {

struct RemoteStoreOptions;

class Endpoints {
 public:
  // REQUIRES: at least one endpoint; `first` < their number. `home` runs one thing at a time.
  Endpoints(const RemoteStoreOptions& options, std::size_t first, Executor home, Clock& clock, Logger logger);

  std::size_t size() const { return members_.size(); }
  std::size_t pick();
  const std::string& url(std::size_t i) const { return members_[i].url; }
  net::GrpcClient& grpc(std::size_t i) { return members_[i].grpc; }
  Credentials& credentials() { return credentials_; }
  // A call to `i` failed in a way that another member may do better.
  void failed(std::size_t i, const Error& why);

 private:
  struct Member {
    std::string url;
    net::GrpcClient grpc;
    MonoTime avoid_until{};
  };
  Clock& clock_;
  const Logger logger_;
  Credentials credentials_;
  std::vector<Member> members_;
  std::mutex mu_;
  std::size_t current_;  // under mu_, as avoid_until
};

// Whether a call that ended so may be tried at another member: it was not answered, or by a member that
// cannot.
bool elsewhere(const Error& error);
// Whether the call provably never reached a server.
bool never_sent(const Error& error);

}  // namespace keelson::kvstore
