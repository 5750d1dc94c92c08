// Small whole-file operations with errors that name the path. Blocking; for small files.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::kubelet {

// kNotFound when there is no such file.
Result<std::string> read_file(const std::string& path);
// Replaces the file atomically (temporary file, rename). Not synced: what the kubelet writes can be written
// again.
Result<void> write_file(const std::string& path, std::string_view content, unsigned mode = 0644);
// Like mkdir -p.
Result<void> make_directories(const std::string& path, unsigned mode = 0755);
// Like rm -rf; a missing path is fine. Does not cross mount points that it can tell (see unmount_below()).
Result<void> remove_tree(const std::string& path);
// Removes a log file and its rotated companions ("path.*"). Missing files are fine.
void remove_file_and_rotated(const std::string& path);
// Lazily unmounts everything mounted at or below `path`.
Result<void> unmount_below(const std::string& path);
// "open /a/b: No such file or directory" with the code that fits errno.
Error errno_error(std::string_view what, const std::string& path);

}  // namespace keelson::kubelet
