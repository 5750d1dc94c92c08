// AtomicWriter: the files of a configMap, secret, downwardAPI or projected volume, replaced all at once.
//
//   <dir>/..2026_11_21_09_30_00.123456789/   the files of this version
//   <dir>/..data -> ..2026_…                 swapped by rename(2): the one atomic step
//   <dir>/a -> ..data/a                      one link per top-level name
//
// A reader that opens through <dir>/a sees the old or the new version whole. The layout is upstream's, which
// programs that watch for ..data rely on. Blocking. Thread rule: one writer per directory.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace keelson::kubelet {

struct VolumeFile {
  std::string content;
  unsigned mode = 0644;
  friend bool operator==(const VolumeFile&, const VolumeFile&) = default;
};
// By path relative to the volume; may hold directories ("a/b"). No path is absolute, holds ".." or begins
// with "..".
using VolumeFiles = std::map<std::string, VolumeFile>;

// Makes `dir` show exactly `files`. Does nothing when it already does. With `group` (fsGroup), files belong
// to that group and are group-readable. kInvalidArgument for a path that is not allowed. After an error the
// old version still stands.
Result<void> write_volume(const std::string& dir, const VolumeFiles& files, WallTime now,
                          std::optional<std::int64_t> group);

}  // namespace keelson::kubelet
