#include "apiserver/service_allocator.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "api/gen/core_v1.h"
#include "api/gen/networking_v1.h"
#include "api/kinds.h"
#include "api/managed_fields/managed_fields.h"
#include "api/validation/kinds.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/service_parts.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;
namespace field = api::field;

std::string address_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

std::optional<std::uint32_t> parse_address(std::string_view text) {
  in_addr a{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &a) != 1) return std::nullopt;
  return ntohl(a.s_addr);
}

bool needs_node_ports(ServiceSpec s) { return s.type() == "NodePort" || s.type() == "LoadBalancer"; }
bool needs_health_port(ServiceSpec s) { return s.type() == "LoadBalancer" && s.external_traffic_policy() == "Local"; }
std::string json_list(api::List<api::StringElem> list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out += fmt::format("{}\"{}\"", i ? "," : "", list[i]);
  return out + "]";
}

Error invalid_service(const api::Object& service, field::ErrorList causes) {
  return errors::invalid(*service.kind(), service.name(), causes);
}

// Which families the Service has, on a cluster that has IPv4 only (upstream's initIPFamilyFields).
Result<void> init_families(api::Object& object, const api::Object* old) {
  ServiceMut service = ServiceMut::of(object);
  ServiceSpecMut spec = service.mutable_spec();
  if (spec.view().type() == "ExternalName") return {};
  const bool free_form = headless(spec) && spec.view().selector().empty();
  if (!spec.view().has_ip_family_policy()) {
    std::string_view before = old ? Service::of(*old).spec().ip_family_policy() : "";
    spec.set_ip_family_policy(!before.empty() ? before : free_form ? "RequireDualStack" : "SingleStack");
  }
  const std::string policy(spec.view().ip_family_policy());
  field::ErrorList causes;
  api::validation::service_addresses(causes, spec.view());
  if (!causes.empty()) return fail(invalid_service(object, causes));
  field::Path at = field::Path("spec");
  if (old && policy == "SingleStack") {
    while (spec.view().ip_families().size() > 1) spec.mutable_ip_families().erase(1);
    while (spec.view().cluster_ips().size() > 1) spec.mutable_cluster_ips().erase(1);
  }
  if (policy == "SingleStack") {
    if (spec.view().cluster_ips().size() == 2)
      causes.push_back(field::invalid(at.child("ipFamilyPolicy"), policy,
                                      "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"));
    if (spec.view().ip_families().size() == 2)
      causes.push_back(field::invalid(at.child("ipFamilyPolicy"), policy,
                                      "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"));
  }
  auto ips = spec.view().cluster_ips();
  for (std::size_t i = 0; i < ips.size() && ips[i] != "None"; ++i) {
    if (i < spec.view().ip_families().size()) continue;
    if (ips[i].find(':') != std::string_view::npos)
      causes.push_back(field::invalid(at.child("clusterIPs").index(i), field::BadValue::raw(json_list(ips)),
                                      "IPv6 is not configured on this cluster"));
    else
      spec.add_ip_families("IPv4");
  }
  if (!causes.empty()) return fail(invalid_service(object, causes));
  if (free_form) {
    if (spec.view().ip_families().empty()) spec.add_ip_families("IPv4");
    if (spec.view().ip_families().size() < 2 && policy != "SingleStack")
      spec.add_ip_families(spec.view().ip_families()[0] == "IPv4" ? "IPv6" : "IPv4");
    return {};
  }
  if (policy == "RequireDualStack")
    causes.push_back(field::invalid(at.child("ipFamilyPolicy"), policy, "this cluster is not configured for dual-stack services"));
  auto families = spec.view().ip_families();
  for (std::size_t i = 0; i < families.size(); ++i)
    if (families[i] != "IPv4")
      causes.push_back(field::invalid(at.child("ipFamilies").index(i), families[i], "not configured on this cluster"));
  if (!causes.empty()) return fail(invalid_service(object, causes));
  if (families.empty()) spec.add_ip_families("IPv4");
  return {};
}

template <class A, class B>
bool same_texts(A a, B b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

// clusterIP and clusterIPs say the same; what the client left out of an update stays (upstream's
// normalizeClusterIPs and patchAllocatedValues).
void normalize(api::Object& object, const api::Object* old_object) {
  ServiceSpecMut spec = ServiceMut::of(object).mutable_spec();
  auto set_ips = [&](std::string_view ip) {
    std::string kept(ip);
    spec.clear_cluster_ips();
    if (!kept.empty()) spec.add_cluster_ips(kept);
  };
  if (!old_object) {
    if (!spec.view().cluster_ip().empty() && spec.view().cluster_ips().empty()) set_ips(spec.view().cluster_ip());
    return;
  }
  ServiceSpec old = Service::of(*old_object).spec();
  const bool both_need_ip = old.type() != "ExternalName" && spec.view().type() != "ExternalName";
  if (both_need_ip) {
    if (spec.view().cluster_ip().empty()) spec.set_cluster_ip(old.cluster_ip());
    if (spec.view().cluster_ips().empty() && !old.cluster_ips().empty()) spec.set_cluster_ips(old.cluster_ips());
  }
  if (needs_node_ports(old) && needs_node_ports(spec)) {
    std::set<int> now, kept;
    for (ServicePort p : spec.view().ports()) now.insert(p.node_port());
    std::map<std::string, int> by_name;
    for (ServicePort p : old.ports()) {
      if (now.contains(p.node_port())) kept.insert(p.node_port());
      by_name[std::string(p.name())] = p.node_port();
    }
    auto ports = spec.mutable_ports();
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (ports.at(i).view().node_port() != 0) continue;
      auto it = by_name.find(std::string(ports.at(i).view().name()));
      if (it != by_name.end() && !kept.contains(it->second)) ports.at(i).set_node_port(it->second);
    }
  }
  if (needs_health_port(old) && needs_health_port(spec) && spec.view().health_check_node_port() == 0)
    spec.set_health_check_node_port(old.health_check_node_port());

  if (!old.cluster_ips().empty() && spec.view().cluster_ips().empty() && old.cluster_ip() == spec.view().cluster_ip())
    spec.set_cluster_ips(old.cluster_ips());
  if (old.cluster_ip() == spec.view().cluster_ip()) return;
  if (!same_texts(old.cluster_ips(), spec.view().cluster_ips())) return;
  if (!old.cluster_ip().empty() && spec.view().cluster_ip().empty()) spec.clear_cluster_ips();
  else set_ips(spec.view().cluster_ip());
}

}  // namespace

// ---- transaction ----

ServiceAllocator::Transaction& ServiceAllocator::Transaction::operator=(Transaction&& other) noexcept {
  owner_ = std::exchange(other.owner_, nullptr);
  taken_ips_ = std::move(other.taken_ips_);
  freed_ips_ = std::move(other.freed_ips_);
  taken_ports_ = std::move(other.taken_ports_);
  freed_ports_ = std::move(other.freed_ports_);
  return *this;
}

ServiceAllocator::Transaction::~Transaction() {
  if (!owner_ || (taken_ips_.empty() && taken_ports_.empty())) return;
  owner_->tasks_.spawn(owner_->ex_, owner_->give_back(std::move(taken_ips_), std::move(taken_ports_)));
}

Task<> ServiceAllocator::Transaction::commit() {
  auto* owner = std::exchange(owner_, nullptr);
  if (!owner) co_return;
  if (!freed_ips_.empty() || !freed_ports_.empty())
    co_await owner->give_back(std::move(freed_ips_), std::move(freed_ports_));
}

// ---- allocator ----

Result<std::unique_ptr<ServiceAllocator>> ServiceAllocator::make(Options options, Storage& storage,
                                                                 const ResourceMap& resources, Clock& clock,
                                                                 Logger logger, Rng rng, Executor ex) {
  auto slash = options.cidr.find('/');
  auto address = parse_address(std::string_view(options.cidr).substr(0, slash));
  int bits = slash == std::string::npos ? -1 : std::atoi(options.cidr.c_str() + slash + 1);
  if (!address || bits < 8 || bits > 30)
    return fail(Code::kInvalidArgument, fmt::format("--service-cluster-ip-range={}: want an IPv4 range of /8 to /30", options.cidr));
  std::unique_ptr<ServiceAllocator> out(
      new ServiceAllocator(std::move(options), storage, resources, clock, std::move(logger), rng, std::move(ex)));
  out->hosts_ = 1u << (32 - bits);
  out->base_ = *address & ~(out->hosts_ - 1);
  return out;
}

ServiceAllocator::ServiceAllocator(Options options, Storage& storage, const ResourceMap& resources, Clock& clock,
                                   Logger logger, Rng rng, Executor ex)
    : options_(std::move(options)), storage_(storage), resources_(resources), clock_(clock), logger_(std::move(logger)),
      rng_(rng), ex_(std::move(ex)) {
  services_ = resources_.find("", "v1", "services");
  ip_addresses_ = resources_.find("networking.k8s.io", "v1", "ipaddresses");
}

ServiceAllocator::~ServiceAllocator() = default;

Task<> ServiceAllocator::stop() { co_await tasks_.join(); }

std::string ServiceAllocator::kubernetes_ip() const { return address_text(base_ + 1); }

bool ServiceAllocator::in_range(std::uint32_t address) const {
  return address > base_ && address < base_ + hosts_ - 1;
}

Task<Result<bool>> ServiceAllocator::claim_ip(std::string ip, std::string ns, std::string name, bool dry_run) {
  if (dry_run) {
    auto existing = CO_TRY(co_await storage_.get(*ip_addresses_, "", ip));
    co_return existing == nullptr;
  }
  auto object = api::Object::make(*ip_addresses_->kind);
  {
    std::lock_guard lock(rng_mu_);
    object->mutable_meta().set_uid(rng_.uuid());
  }
  auto address = api::networking_v1::IPAddressMut::of(*object);
  auto meta = address.mutable_metadata();
  meta.set_name(ip);
  meta.set_creation_timestamp(to_api_time(clock_.wall()));
  meta.mutable_labels().set("ipaddress.kubernetes.io/ip-family", "IPv4");
  meta.mutable_labels().set("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");
  auto parent = address.mutable_spec().mutable_parent_ref();
  parent.set_resource("services");
  parent.set_namespace(ns);
  parent.set_name(name);
  api::track_update(nullptr, *object, {"kube-apiserver", "", to_api_time(clock_.wall())});
  auto outcome = CO_TRY(co_await storage_.create(*ip_addresses_, ip_addresses_->key("", ip), std::move(object), 0));
  co_return !outcome.conflict();
}

Task<Result<std::string>> ServiceAllocator::claim_any_ip(std::string ns, std::string name, bool dry_run) {
  // As upstream: dynamic addresses come from above the first min(max(16, size/16), 256), which people may use by hand.
  const std::uint32_t reserved = std::min(std::max(16u, hosts_ / 16), 256u);
  const std::uint32_t low = hosts_ > 2 * reserved ? reserved : 1;
  const std::uint32_t span = hosts_ - 1 - low;
  for (int attempt = 0; attempt < 64; ++attempt) {
    std::uint32_t offset;
    {
      std::lock_guard lock(rng_mu_);
      offset = low + static_cast<std::uint32_t>(rng_.below(span));
    }
    std::string ip = address_text(base_ + offset);
    if (CO_TRY(co_await claim_ip(ip, ns, name, dry_run))) co_return ip;
  }
  for (std::uint32_t offset = 1; offset < hosts_ - 1; ++offset) {
    std::string ip = address_text(base_ + offset);
    if (ip_addresses_->cache->get(ip)) continue;
    if (CO_TRY(co_await claim_ip(ip, ns, name, dry_run))) co_return ip;
  }
  co_return fail(errors::internal(fmt::format("failed to allocate a serviceIP for Service \"{}\": range is full", name)));
}

Task<Result<void>> ServiceAllocator::allocate_ips(api::Object& object, Transaction& txn, bool dry_run) {
  ServiceSpecMut spec = ServiceMut::of(object).mutable_spec();
  if (spec.view().type() == "ExternalName" || headless(spec)) co_return Result<void>{};
  std::string ns(object.namespace_()), name(object.name());
  auto ips = spec.view().cluster_ips();
  if (ips.empty() || ips[0].empty()) {
    std::string bad_owner;  // the IPAddress names the Service, so its name must fit in a path
    if (name.empty()) bad_owner = "Required value";
    else if (name == "." || name == "..") bad_owner = fmt::format("Invalid value: \"{0}\": may not be '{0}'", name);
    else if (name.find('/') != name.npos) bad_owner = fmt::format("Invalid value: \"{}\": may not contain '/'", name);
    else if (name.find('%') != name.npos) bad_owner = fmt::format("Invalid value: \"{}\": may not contain '%'", name);
    if (!bad_owner.empty()) {
      std::string any;
      {
        std::lock_guard lock(rng_mu_);
        any = address_text(base_ + 1 + static_cast<std::uint32_t>(rng_.below(hosts_ - 2)));
      }
      co_return fail(invalid_service(
          object, {field::invalid(field::Path("spec").child("clusterIPs"), field::BadValue::raw("[\"\"]"),
                                  fmt::format("failed to allocate IP: IPAddress.networking.k8s.io \"{}\" is invalid: "
                                              "spec.parentRef.name: {}",
                                              any, bad_owner))}));
    }
    std::string ip = CO_TRY(co_await claim_any_ip(ns, name, dry_run));
    if (!dry_run) txn.taken_ips_.push_back(ip);
    spec.clear_cluster_ips();
    spec.add_cluster_ips(ip);
    spec.set_cluster_ip(ip);
    co_return Result<void>{};
  }
  std::string ip(ips[0]);
  auto refuse = [&](std::string why) {
    return fail(invalid_service(object, {field::invalid(field::Path("spec").child("clusterIPs"),
                                                        field::BadValue::raw(json_list(spec.view().cluster_ips())),
                                                        fmt::format("failed to allocate IP {}: {}", ip, why))}));
  };
  auto address = parse_address(ip);
  if (!address) co_return Result<void>{};  // validation says what is wrong
  if (!in_range(*address))
    co_return refuse("the provided network does not match the current range");
  if (!CO_TRY(co_await claim_ip(ip, ns, name, dry_run))) co_return refuse("provided IP is already allocated");
  if (!dry_run) txn.taken_ips_.push_back(ip);
  spec.set_cluster_ip(ip);
  co_return Result<void>{};
}

Task<Result<void>> ServiceAllocator::allocate_ports(api::Object& object, const api::Object* old, Transaction& txn,
                                                    bool dry_run) {
  ServiceSpecMut spec = ServiceMut::of(object).mutable_spec();
  std::vector<int> had = old ? ports_of(Service::of(*old).spec()) : std::vector<int>{};
  auto known = [&](int port) { return std::find(had.begin(), had.end(), port) != had.end(); };
  auto taken = [&](int port) {
    return std::find(txn.taken_ports_.begin(), txn.taken_ports_.end(), port) != txn.taken_ports_.end();
  };
  const field::Path at = field::Path("spec").child("ports");
  const bool any = spec.view().type() != "LoadBalancer" || spec.view().allocate_load_balancer_node_ports_or(true);
  if (needs_node_ports(spec)) {
    auto ports = spec.mutable_ports();
    std::map<int, int> by_port;  // one node port serves the TCP and UDP of one port
    for (std::size_t i = 0; i < ports.size(); ++i) {
      ServicePortMut port = ports.at(i);
      int wanted = port.view().node_port();
      if (wanted == 0) {
        if (!any) continue;
        if (auto it = by_port.find(port.view().port()); it != by_port.end()) {
          port.set_node_port(it->second);
          continue;
        }
        for (std::size_t k = i + 1; k < ports.size() && wanted == 0; ++k)
          if (ports[k].port() == port.view().port()) wanted = ports[k].node_port();
      }
      if (wanted != 0 && (known(wanted) || taken(wanted))) {
        port.set_node_port(wanted);
        by_port.emplace(port.view().port(), wanted);
        continue;
      }
      auto got = co_await claim_port(wanted, txn.taken_ports_, dry_run);
      if (!got && got.error().code == Code::kInvalidArgument && !api::status_detail(got.error()))
        co_return fail(invalid_service(object, {field::invalid(at.index(i).child("nodePort"), wanted, got.error().message)}));
      if (!got) co_return std::unexpected(got.error());
      txn.taken_ports_.push_back(*got);
      port.set_node_port(*got);
      by_port.emplace(port.view().port(), *got);
    }
  }
  if (needs_health_port(spec)) {
    int wanted = spec.view().health_check_node_port();
    if (wanted == 0 || (!known(wanted) && !taken(wanted))) {
      auto got = co_await claim_port(wanted, txn.taken_ports_, dry_run);
      if (!got)
        co_return fail(errors::internal(fmt::format("failed to allocate {} NodePort {}: {}",
                                                    wanted ? "requested HealthCheck" : "a HealthCheck", wanted, got.error().message)));
      txn.taken_ports_.push_back(*got);
      spec.set_health_check_node_port(*got);
    }
  }
  co_return Result<void>{};
}

Task<Result<ServiceAllocator::Transaction>> ServiceAllocator::begin_create(api::Object& service, bool dry_run) {
  Transaction txn;
  txn.owner_ = this;
  normalize(service, nullptr);
  if (auto ok = init_families(service, nullptr); !ok) co_return std::unexpected(ok.error());
  if (auto ok = co_await allocate_ips(service, txn, dry_run); !ok) co_return std::unexpected(ok.error());
  if (auto ok = co_await allocate_ports(service, nullptr, txn, dry_run); !ok) co_return std::unexpected(ok.error());
  if (dry_run) {
    txn.taken_ips_.clear();
    txn.taken_ports_.clear();
  }
  co_return txn;
}

Task<Result<ServiceAllocator::Transaction>> ServiceAllocator::begin_update(api::Object& service, const api::Object& old,
                                                                           bool dry_run) {
  Transaction txn;
  txn.owner_ = this;
  normalize(service, &old);
  if (auto ok = init_families(service, &old); !ok) co_return std::unexpected(ok.error());
  ServiceSpec before = Service::of(old).spec();
  ServiceSpec now = Service::of(service).spec();
  if (before.type() == "ExternalName" && now.type() != "ExternalName") {
    if (auto ok = co_await allocate_ips(service, txn, dry_run); !ok) co_return std::unexpected(ok.error());
  } else if (before.type() != "ExternalName" && now.type() == "ExternalName" && !headless(before)) {
    for (auto ip : before.cluster_ips()) txn.freed_ips_.emplace_back(ip);
  }
  if (auto ok = co_await allocate_ports(service, &old, txn, dry_run); !ok) co_return std::unexpected(ok.error());
  std::vector<int> kept;
  now = Service::of(service).spec();
  if (needs_node_ports(now)) {
    kept = ports_of(now);
    if (!needs_health_port(now)) std::erase(kept, now.health_check_node_port());
  }
  for (int port : ports_of(before))
    if (std::find(kept.begin(), kept.end(), port) == kept.end()) txn.freed_ports_.push_back(port);
  if (dry_run) txn = Transaction();
  co_return txn;
}

Task<> ServiceAllocator::release(const api::Object& service) {
  ServiceSpec spec = Service::of(service).spec();
  std::vector<std::string> ips;
  if (spec.type() != "ExternalName" && !headless(spec))
    for (auto ip : spec.cluster_ips()) ips.emplace_back(ip);
  co_await give_back(std::move(ips), ports_of(spec));
}

Task<> ServiceAllocator::give_back(std::vector<std::string> ips, std::vector<int> ports) {
  co_await free_ips(std::move(ips));
  co_await free_ports(std::move(ports));
}

Task<> ServiceAllocator::free_ips(std::vector<std::string> ips) {
  for (auto& ip : ips) {
    kvstore::TxnRequest txn;
    kvstore::TxnOp del;
    del.kind = kvstore::TxnOp::Kind::kDelete;
    del.del.key = ip_addresses_->key("", ip);
    txn.success.push_back(std::move(del));
    auto done = co_await storage_.store().txn(std::move(txn));
    if (!done) logger_.warn("cluster IP was not freed", {{"ip", ip}, {"error", done.error()}});
  }
}

}  // namespace keelson::apiserver
