// Claiming: which objects belong to a controller. By selector and owner reference:
//   owned and matching: kept; owned and not matching: released; orphaned and matching: adopted; others:
//   ignored.
// Adoption and release are PATCHes of ownerReferences guarded by uid, and make no event.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/gen/meta_v1.h"
#include "client/transport.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

// A label selector, owned (independent of the object it was read from). One with no requirement matches
// everything.
class Selector {
 public:
  // From a LabelSelector; an absent one matches nothing.
  static Selector from(meta::LabelSelector selector);
  // From a plain map (ReplicationController, Service).
  static Selector from(api::Map<api::StringElem> labels);
  bool matches(api::Map<api::StringElem> labels) const;
  bool empty() const { return !nothing_ && requirements_.empty(); }

 private:
  enum class Op : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist };
  struct Requirement {
    std::string key;
    Op op = Op::kIn;
    std::vector<std::string> values;
  };
  bool nothing_ = false;
  std::vector<Requirement> requirements_;
};

// Claims among `candidates` for `owner`. Objects being deleted are neither adopted nor released but kept when
// owned. Nothing is adopted when the owner is being deleted or is, read anew, another object. The error is
// the first failure other than "gone meanwhile".
Task<Result<std::vector<api::ObjectPtr>>> claim(client::Transport& transport, api::ObjectPtr owner,
                                                Selector selector, std::vector<api::ObjectPtr> candidates);

}  // namespace keelson::controllers
