// ServiceAllocator: cluster IPs and node ports of Services, kept in the store as upstream keeps them: one IPAddress object per
// cluster IP (its name is unique, so no two Services get one address), and one bitmap for node ports
// (/registry/ranges/servicenodeports, a RangeAllocation).
//
// A write of a Service first allocates (begin_*), then stores the Service, then commits. What was taken and not committed
// is given back. A crash in between leaves an orphan, which repair() frees at the next start.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/resource.h"
#include "apiserver/storage.h"
#include "base/async.h"
#include "base/log.h"
#include "base/rng.h"

namespace keelson::apiserver {

class ServiceAllocator {
 public:
  struct Options {
    std::string cidr = "10.96.0.0/16";  // IPv4
    int first_port = 30000, last_port = 32767;
  };
  // kInvalidArgument: the CIDR.
  static Result<std::unique_ptr<ServiceAllocator>> make(Options options, Storage& storage, const ResourceMap& resources,
                                                        Clock& clock, Logger logger, Rng rng, Executor ex);
  ~ServiceAllocator();

  class Transaction {
   public:
    Transaction() = default;
    Transaction(Transaction&& other) noexcept { *this = std::move(other); }
    Transaction& operator=(Transaction&& other) noexcept;
    ~Transaction();  // uncommitted: gives back what was taken
    // The Service is stored: what it no longer needs is given back.
    Task<> commit();

   private:
    friend class ServiceAllocator;
    ServiceAllocator* owner_ = nullptr;
    std::vector<std::string> taken_ips_, freed_ips_;
    std::vector<int> taken_ports_, freed_ports_;
  };
  // Fills in clusterIP(s), IP families, node ports and the health check port. Errors carry a Status.
  Task<Result<Transaction>> begin_create(api::Object& service, bool dry_run);
  Task<Result<Transaction>> begin_update(api::Object& service, const api::Object& old, bool dry_run);
  // A deleted Service's addresses and ports.
  Task<> release(const api::Object& service);

  // Makes the bitmap and the IPAddress objects say what the Services say. Run at start.
  Task<Result<void>> repair();
  // The first address of the range: the Service `kubernetes`.
  std::string kubernetes_ip() const;
  const std::string& cidr() const { return options_.cidr; }
  Task<> stop();

 private:
  ServiceAllocator(Options options, Storage& storage, const ResourceMap& resources, Clock& clock, Logger logger, Rng rng,
                   Executor ex);
  Task<Result<void>> allocate_ips(api::Object& service, Transaction& txn, bool dry_run);
  Task<Result<void>> allocate_ports(api::Object& service, const api::Object* old, Transaction& txn, bool dry_run);
  // Creates the IPAddress. False: taken.
  Task<Result<bool>> claim_ip(std::string ip, std::string ns, std::string name, bool dry_run);
  Task<Result<std::string>> claim_any_ip(std::string ns, std::string name, bool dry_run);
  // Takes the port asked for (0: any). Errors with upstream's text.
  Task<Result<int>> claim_port(int port, const std::vector<int>& avoid, bool dry_run);
  Task<> free_ips(std::vector<std::string> ips);
  Task<> free_ports(std::vector<int> ports);
  Task<> give_back(std::vector<std::string> ips, std::vector<int> ports);
  // Read-change-write of the bitmap until it holds. `change` answers whether to write.
  struct PortChange;
  Task<Result<void>> change_ports(PortChange& change);
  bool in_range(std::uint32_t address) const;

  const Options options_;
  Storage& storage_;
  const ResourceMap& resources_;
  Clock& clock_;
  Logger logger_;
  std::mutex rng_mu_;
  Rng rng_;
  Executor ex_;
  std::uint32_t base_ = 0;   // network address
  std::uint32_t hosts_ = 0;  // addresses in the range
  const Resource* services_ = nullptr;
  const Resource* ip_addresses_ = nullptr;
  TaskGroup tasks_;
};

}  // namespace keelson::apiserver
