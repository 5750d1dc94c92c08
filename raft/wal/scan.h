// scan_log: what a log's files hold, record by record, for people and tools that look at a stopped or a
// running member. Nothing is judged, replaced or written: entries that a later record made void are told as
// well.
//
// Thread rule: pure but for reading the files.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "raft/wal/format.h"

namespace keelson::raft::wal {

struct ScannedRecord {
  const std::string* path = nullptr;  // of the segment
  std::uint64_t offset = 0;
  Record record;      // a view, gone after the call
  bool anew = false;  // the first record of a log that starts anew: all before it is void
};

// In the order they were written. Ends at what is no whole record: in the newest segment that is where its
// writer is. Errors: of the file system (a segment that its member removes meanwhile too); kDataLoss, after
// all before it was told, for a bad segment header and for a segment that ends before its seal though another
// follows.
Result<void> scan_log(FileSystem& fs, const std::string& dir,
                      const std::function<void(const ScannedRecord&)>& tell);

}  // namespace keelson::raft::wal
