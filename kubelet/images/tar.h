// TarWriter: a ustar archive in memory, reproducible (time 0, owner root). For the built-in images only.
#pragma once

#include <string>
#include <string_view>

namespace keelson::kubelet {

class TarWriter {
 public:
  // Paths are relative, without a leading slash. REQUIRES: path and link target are shorter than 100 bytes.
  void directory(std::string_view path, unsigned mode = 0755);
  void file(std::string_view path, std::string_view content, unsigned mode = 0644);
  void symlink(std::string_view path, std::string_view target);
  // The archive with its two closing blocks. The writer is empty afterwards.
  std::string finish();

 private:
  void header(std::string_view path, std::string_view link, unsigned mode, std::size_t size, char type);
  std::string out_;
};

}  // namespace keelson::kubelet
