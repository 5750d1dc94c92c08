// The places of the etcd v3 API that can be told to pause, to end the process or to fail, by the names that
// etcd's have (base/failpoint.h). A pause is the request's alone.
#pragma once

#include "base/failpoint.h"

namespace keelson::kvstore::etcd {

struct ApiFailpoints {
  // `set` may be null.
  explicit ApiFailpoints(Failpoints* set)
      : before_send_watch(set, "beforeSendWatchResponse"),
        before_renew(set, "beforeCheckpointInLeaseRenew"),
        before_time_to_live(set, "beforeLookupWhenLeaseTimeToLive"),
        defrag_open_error(set, "defragOpenFileError"),
        defrag_before_copy(set, "defragBeforeCopy"),
        defrag_failure(set, "defragdbFail") {}

  Failpoint before_send_watch;
  Failpoint before_renew;  // the lease is looked up after it
  Failpoint before_time_to_live;
  // Nothing is copied here, but tests want a Defragment that fails, lasts, or is the last thing a process
  // does.
  Failpoint defrag_open_error;  // its value is the error
  Failpoint defrag_before_copy;
  Failpoint defrag_failure;  // likewise
};

}  // namespace keelson::kvstore::etcd
