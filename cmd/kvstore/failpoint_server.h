// FailpointServer: the failpoints of a process whose environment asks for them, as etcd's does when it is
// built with gofail:
//
//   GOFAIL_FAILPOINTS=name=terms;…   terms that hold from the start
//   GOFAIL_HTTP=host:port            an HTTP server, on that address alone, without any authentication
//     GET /                 all places, a line `name=terms` each
//     GET /NAME             its terms; 404: no such place, or disabled
//     GET /NAME/count       how often a term was carried out since it was set
//     PUT /NAME             terms in the body (base/failpoint.h); 204
//     PUT /failpoints       `name=terms;…` in the body; 204
//     DELETE /NAME          disables it; 204
//
// A panic writes to stderr and ends the process with code 2, as Go's does: nothing is flushed, nobody told.
// It waits for the answers that the server owes.
//
// Thread rule: from_environment(), listen() and the destructor from one thread; the server has threads of its
// own, so that it answers while a sleep holds up others.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "net/http.h"

namespace keelson::cmd {

// The HTTP side.
class FailpointHandler final : public net::Handler {
 public:
  explicit FailpointHandler(Failpoints& points) : points_(points) {}
  Task<> handle(net::Exchange& exchange) override;
  // Waits until no exchange is under way, for at most `at_most`. Not on a thread that serves them.
  void wait_idle(Duration at_most);

 private:
  class UnderWay;
  Task<> answer(net::Exchange& exchange);
  Failpoints& points_;
  std::mutex mu_;
  std::condition_variable idle_;
  int under_way_ = 0;
};

class FailpointServer {
 public:
  // Null pointers and empty text mean unset. Null without both. Errors say which setting is bad.
  static Result<std::unique_ptr<FailpointServer>> from_environment(const char* http, const char* failpoints,
                                                                   Logger logger);
  ~FailpointServer();
  Failpoints& points();
  // Once every place exists: says which of GOFAIL_FAILPOINTS' names there is no place for.
  void warn_of_unclaimed() const;
  // 0 without a server.
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit FailpointServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::cmd
