// BboltWriter: writes a bbolt file (bbolt_format.h) from ordered input, front to back, with a few pages of
// memory: leaves as they fill, and above them branches as those fill.
//
//   auto w = *BboltWriter::create(fs, path);
//   w->begin_bucket("key"); w->put(k1, v1); w->put(k2, v2); …  w->begin_bucket("lease"); …
//   auto bytes = *w->finish();
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace keelson::kvstore {

class BboltWriter {
 public:
  static constexpr std::size_t kPageSize = 4096;

  // `path` must not exist.
  static Result<std::unique_ptr<BboltWriter>> create(FileSystem& fs, const std::string& path);

  // Ends the bucket before. REQUIRES: names rise.
  Result<void> begin_bucket(std::string_view name);
  // REQUIRES: a bucket has begun; keys rise in it and are not empty. kInvalidArgument: a key of more than
  // 32,768 bytes.
  Result<void> put(std::string_view key, std::string_view value);
  // Writes what is left and the meta pages. Returns the file's size. Not synced.
  Result<std::uint64_t> finish();

 private:
  // A page that fills. Elements are put together only when it is written.
  struct Page {
    struct Element {
      std::uint32_t flags = 0;
      std::uint64_t child = 0;  // of branches
      std::uint32_t key_size = 0;
      std::uint32_t value_size = 0;
    };
    std::vector<Element> elements;
    std::string data;  // keys and values
    std::size_t bytes() const;
    std::string_view first_key() const { return std::string_view(data).substr(0, elements[0].key_size); }
    void add(std::uint32_t flags, std::uint64_t child, std::string_view key, std::string_view value);
  };
  // Levels of one tree from its leaves up.
  using TreeLevels = std::vector<Page>;

  explicit BboltWriter(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Result<void> add(TreeLevels& levels, std::size_t level, std::uint32_t flags, std::uint64_t child,
                   std::string_view key, std::string_view value);
  Result<std::uint64_t> write_page(const Page& page, bool leaf);
  Result<std::uint64_t> finish_tree(TreeLevels& levels);
  Result<void> end_bucket();
  Result<void> write(std::string_view bytes);
  Result<void> flush();
  void add_meta(std::string& out, std::uint64_t txid, std::uint64_t root) const;

  std::unique_ptr<File> file_;
  std::string buffer_;  // of bytes at written_
  std::uint64_t written_ = 0;
  std::uint64_t next_page_ = 0;
  std::string bucket_;
  bool in_bucket_ = false;
  TreeLevels tree_;
  TreeLevels root_;
};

}  // namespace keelson::kvstore
