// What the scheduler decides on: nodes with the pods that are, or are about to be, on them. Plain data of the scheduler's
// own strand; filters and scores are functions over it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "api/object.h"
#include "scheduler/resources.h"

namespace keelson::scheduler {

// protocol, host IP ("0.0.0.0" for any), port
using HostPort = std::tuple<std::string, std::string, std::int32_t>;

struct PodInfo {
  explicit PodInfo(api::ObjectPtr object);
  api::core_v1::Pod pod() const { return api::core_v1::Pod::of(*object); }
  std::string key() const;

  api::ObjectPtr object;
  Resources requests;
  Resources scoring_requests;
  std::vector<HostPort> ports;
  std::int32_t priority = 0;
};
using PodInfoPtr = std::shared_ptr<const PodInfo>;

struct NodeInfo {
  api::ObjectPtr object;  // null while only pods of it are known
  Resources allocatable;
  Resources requested;
  Resources scoring_requested;
  std::multiset<HostPort> ports;
  std::unordered_map<std::string, PodInfoPtr> pods;  // by uid

  api::core_v1::Node node() const { return api::core_v1::Node::of(*object); }
  void set_object(api::ObjectPtr node);
  void add(const PodInfoPtr& pod);
  void remove(const std::string& uid);
  bool port_conflict(const HostPort& wanted) const;
};

// The nodes in order of name, so that decisions do not depend on hash order.
struct Snapshot {
  std::map<std::string, NodeInfo> nodes;
  // Nodes that exist (an entry without an object only keeps pods).
  std::vector<const NodeInfo*> usable() const;
};

}  // namespace keelson::scheduler
