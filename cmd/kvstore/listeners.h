// Listeners: the servers of one side (clients, peers, metrics), one for each URL, with certificates that are
// read again when their files change.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/kvstore/config.h"
#include "net/server.h"

namespace keelson::cmd {

class Listeners {
 public:
  using Admission = decltype(net::ServerOptions::admit);
  // All outlive this; `config` is the whole member's, `tls` this side's, `name` what the log calls it.
  Listeners(const KvstoreConfig& config, std::string name, TlsFiles tls, std::vector<Executor> executors,
            Clock& clock, Logger logger, Admission admit = {});

  // Listens on all of `urls` at once. kInvalidArgument: certificates; others: an address cannot be had.
  Result<void> listen(const std::vector<Url>& urls, net::Handler& handler);
  // Takes up certificates that have changed since. What cannot be read is logged, and the old ones stay.
  // True: there were new ones.
  bool reload();
  // Ends all; exchanges have `grace` to end by themselves.
  Task<> stop(Duration grace);

  const TlsFiles& tls() const { return tls_; }

 private:
  struct Open {
    std::unique_ptr<net::Server> server;
    bool tls = false;
  };
  const KvstoreConfig& config_;
  const std::string name_;
  const TlsFiles tls_;
  const std::vector<Executor> executors_;
  Clock& clock_;
  Logger logger_;
  const Admission admit_;
  std::vector<Open> open_;
  std::string stamp_;
};

}  // namespace keelson::cmd
