// ApiStore: the store an API server works on: in this process, or behind --etcd-servers.
// Thread rule: as its owner's; store() and health() from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/flags.h"
#include "base/log.h"
#include "kvstore/store.h"

namespace prometheus {
class Registry;
}

namespace keelson::cmd {

// The flags of kube-apiserver that say where the store is.
struct ApiStoreFlags {
  std::vector<std::string> servers;  // empty: the store is in this process
  std::string ca_file, cert_file, key_file;
  std::string prefix = "/registry";

  void add_to(FlagSet& set);
  // kInvalidArgument: flags that do not go together.
  Result<void> check() const;
};

struct ApiStoreParts {
  std::string data_dir;  // of the store in this process
  Clock* clock = nullptr;
  Logger logger;
  Executor home;  // of the connections to a remote store: an io thread's
  prometheus::Registry* metrics = nullptr;
  // The store in this process stopped by itself. Any thread.
  std::function<void(Error)> on_failure;
};

class ApiStore {
 public:
  static Result<std::unique_ptr<ApiStore>> open(ApiStoreFlags flags, ApiStoreParts parts);
  virtual ~ApiStore() = default;
  // Waits for a remote store, about a minute at most; the error names the flag and what is wrong.
  virtual Task<Result<void>> start() = 0;
  virtual Task<> stop() = 0;
  virtual kvstore::Store& store() = 0;
  // Nobody else writes to it.
  virtual bool local() const = 0;
  // What is wrong with the store; empty: nothing.
  virtual std::string health() const = 0;
};

}  // namespace keelson::cmd
