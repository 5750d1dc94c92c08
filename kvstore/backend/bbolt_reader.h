// BboltReader: reads a bbolt file (bbolt_format.h) that may be damaged or hostile: every page, position and
// length is checked, no page is looked at twice in one walk, and what is wrong is a kDataLoss error that says
// where.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace keelson::kvstore {

class BboltReader {
 public:
  // `bytes`: how much of the file is bbolt's (a digest may follow). kDataLoss: neither meta page is good.
  static Result<std::unique_ptr<BboltReader>> open(std::unique_ptr<File> file, std::uint64_t bytes);

  // The views are valid during the call. An error ends the walk.
  using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;
  // The names of the buckets at the top, in order.
  std::vector<std::string> buckets() const;
  // The keys of a bucket in order (of nested buckets nothing). A bucket that is not there has none.
  Result<void> for_each(std::string_view bucket, const Visit& visit);
  // Whether all pages in use are reachable exactly once or free, and all keys in order; else kDataLoss with
  // the first thing wrong.
  Result<void> check();

  std::uint64_t size() const { return pages_ * page_size_; }  // of the pages in use

 private:
  struct Page;
  using Walk = std::function<Result<void>(std::uint32_t flags, std::string_view key, std::string_view value)>;
  struct Bucket {
    std::string name;
    std::string value;
  };

  BboltReader(std::unique_ptr<File> file, std::uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
  Result<void> read_meta();
  Result<Page> read_page(std::uint64_t id);
  Result<void> walk_bucket(std::string_view value, int depth, const Walk& visit);
  Result<void> walk(std::uint64_t id, int depth, std::string_view from, std::string& last, const Walk& visit);
  Result<void> walk_leaf(std::string_view bytes, std::uint64_t id, std::string_view from, std::string& last,
                         const Walk& visit);
  Result<void> check_bucket(std::string_view value, int depth);
  Result<void> mark_free();

  const std::unique_ptr<File> file_;
  const std::uint64_t bytes_;
  std::uint64_t page_size_ = 0;
  std::uint64_t root_ = 0;
  std::uint64_t freelist_ = 0;
  std::uint64_t pages_ = 0;  // in use, up to the highest
  std::vector<bool> seen_;   // in the walk under way
  std::vector<Bucket> buckets_;
};

}  // namespace keelson::kvstore
