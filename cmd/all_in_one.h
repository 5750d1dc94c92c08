// AllInOne: every role in one process, single node: `keelson up`.
//
//   store (or a remote one) ─ API server ─ (local transports, one identity each) ─ controllers, scheduler, kubelet host, proxy
//
// start() brings them up in that order, stop() ends them in reverse; containers and service rules stay.
// Thread rule: one owner, one call at a time.
#pragma once

#include <memory>
#include <string>

#include "apiserver/api_server.h"
#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "cmd/api_store.h"
#include "cmd/pki.h"
#include "net/io_pool.h"

namespace keelson::cmd {

struct AllInOneOptions {
  std::string data_dir = "/var/lib/keelson";
  std::string kubeconfig;  // empty: <data_dir>/kubeconfig
  std::string bind_address = "0.0.0.0";
  int secure_port = 6443;
  std::string node_name;  // empty: the host's name
  std::string node_ip;    // empty: the address of the default route
  std::string cluster_cidr = "10.22.0.0/16";
  ApiStoreFlags store;
  apiserver::Options apiserver;  // what flags said; addresses, keys and TLS are filled in here
};

class AllInOne {
 public:
  AllInOne(AllInOneOptions options, net::IoPool& pool, Clock& clock, Logger logger);
  ~AllInOne();
  // kFailedPrecondition and others say what is missing and what to do; call stop() all the same.
  Task<Result<void>> start();
  Task<> stop();
  // Set when the process cannot go on (the store failed); the text says why.
  AsyncEvent& failed();
  const std::string& failure() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::cmd
