// Model: the store as its specification says, kept dumb: each key's versions in a vector. Built from an
// EventLog, it answers what any request would have seen at any revision. Knows nothing of kvstore/mvcc.
// Thread rule: one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "jepsen/history.h"

namespace keelson::jepsen {

class Model {
 public:
  struct Version {
    Revision mod = 0;
    bool live = false;
    Revision create = 0;
    std::int64_t version = 0;
    Bytes value;
    LeaseId lease = 0;
  };
  // What is wrong in the log itself (revisions that do not rise, create revisions and versions that do not
  // follow from what was before) goes to `violations`.
  Model(const EventLog& log, Violations& violations);

  // The version of `key` visible at `at`; null when there is none or it is deleted.
  const Version* find(std::string_view key, Revision at) const;
  // Live keys of the range at `at`, in order.
  std::vector<std::pair<std::string_view, const Version*>> range(std::string_view key, std::string_view end,
                                                                 Revision at) const;
  // The keys attached to `lease` at `at`, in order.
  std::vector<std::string_view> attached(LeaseId lease, Revision at) const;
  kvstore::RangeResult read(const kvstore::RangeRequest& request, Revision at) const;
  bool holds(const kvstore::Compare& compare, Revision at) const;

  // What `request` answers and changes when it runs right after revision `at`.
  struct Ran {
    kvstore::TxnResult result;
    std::vector<kvstore::Event> events;  // of revision at + 1
  };
  Ran run(const kvstore::TxnRequest& request, Revision at) const;
  // The events of `revision`; null when there is none.
  const LoggedRevision* logged(Revision revision) const;
  Revision newest() const { return newest_; }
  const EventLog& log() const { return log_; }

 private:
  struct Run;
  const EventLog& log_;
  std::map<std::string, std::vector<Version>, std::less<>> keys_;
  // Keys that ever had a version with this lease.
  std::map<LeaseId, std::set<std::string>> lease_keys_;
  Revision first_ = 0;
  Revision newest_ = 1;
};

// Whether `key` is in [range_key, range_end) in etcd's spelling.
bool in_range(std::string_view key, std::string_view range_key, std::string_view range_end);

}  // namespace keelson::jepsen
