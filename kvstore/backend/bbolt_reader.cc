#include "kvstore/backend/bbolt_reader.h"

#include <algorithm>

#include "kvstore/backend/bbolt_format.h"

namespace keelson::kvstore {
namespace {

constexpr int kDepthMax = 64;
constexpr std::uint64_t kPageSizeMin = 512;
constexpr std::uint64_t kPageSizeMax = 1 << 20;
constexpr std::uint64_t kPageBytesMax = std::uint64_t{4} << 30;

std::unexpected<Error> bad(std::string_view what) {
  return fail(Code::kDataLoss, "bbolt file: " + std::string(what));
}

std::unexpected<Error> bad_page(std::uint64_t id, std::string_view what) {
  return bad("page " + std::to_string(id) + ": " + std::string(what));
}

}  // namespace

struct BboltReader::Page {
  std::uint16_t flags = 0;
  std::uint16_t count = 0;
  std::string bytes;  // with its overflow
};

Result<std::unique_ptr<BboltReader>> BboltReader::open(std::unique_ptr<File> file, std::uint64_t bytes) {
  std::unique_ptr<BboltReader> r(new BboltReader(std::move(file), bytes));
  TRY(r->read_meta());
  // Buckets are few: their names and roots are kept.
  r->seen_.assign(r->pages_, false);
  std::string last;
  TRY(r->walk(r->root_, 0, {}, last,
              [&](std::uint32_t flags, std::string_view key, std::string_view value) -> Result<void> {
                if ((flags & bbolt::kBucketFlag) == 0) return bad("a key outside of all buckets");
                r->buckets_.push_back({std::string(key), std::string(value)});
                return {};
              }));
  return r;
}

Result<void> BboltReader::read_meta() {
  // The second page is where the page size says; a damaged first one leaves it to be guessed.
  std::uint64_t newest = 0;
  for (std::uint64_t at : {0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}) {
    char buf[bbolt::kPageHeader + bbolt::kMetaBytes];
    const std::size_t n = TRY(file_->pread(buf, at));
    if (n < sizeof buf || at + sizeof buf > bytes_) continue;
    const auto meta = std::string_view(buf, n).substr(bbolt::kPageHeader);
    if (bbolt::get<std::uint32_t>(meta, 0) != bbolt::kMagic) continue;
    if (bbolt::get<std::uint32_t>(meta, 4) != bbolt::kVersion) continue;
    if (bbolt::get<std::uint64_t>(meta, 56) != bbolt::fnv1a(meta.substr(0, 56))) continue;
    const std::uint64_t page_size = bbolt::get<std::uint32_t>(meta, 8);
    const std::uint64_t txid = bbolt::get<std::uint64_t>(meta, 48);
    if (at != 0 && at != page_size) continue;
    if (page_size < kPageSizeMin || page_size > kPageSizeMax || (page_size & (page_size - 1)) != 0) continue;
    if (page_size_ != 0 && txid < newest) continue;
    newest = txid;
    page_size_ = page_size;
    root_ = bbolt::get<std::uint64_t>(meta, 16);
    freelist_ = bbolt::get<std::uint64_t>(meta, 32);
    pages_ = bbolt::get<std::uint64_t>(meta, 40);
  }
  if (page_size_ == 0) return bad("neither meta page is valid");
  if (pages_ > bytes_ / page_size_)
    return bad("it is cut off: " + std::to_string(bytes_) + " bytes, " + std::to_string(pages_) +
               " pages in use");
  return {};
}

Result<BboltReader::Page> BboltReader::read_page(std::uint64_t id) {
  if (id < 2 || id >= pages_) return bad_page(id, "out of bounds");
  char head[bbolt::kPageHeader];
  if (TRY(file_->pread(head, id * page_size_)) != sizeof head) return bad_page(id, "cannot be read");
  const std::string_view h(head, sizeof head);
  const std::uint64_t pages = 1 + std::uint64_t{bbolt::get<std::uint32_t>(h, 12)};
  if (bbolt::get<std::uint64_t>(h, 0) != id) return bad_page(id, "names itself another");
  if (pages > pages_ - id || pages * page_size_ > kPageBytesMax)
    return bad_page(id, "overflows out of bounds");
  for (std::uint64_t i = id; i < id + pages; ++i) {
    if (seen_[i]) return bad_page(i, "multiple references");
    seen_[i] = true;
  }
  Page page;
  page.flags = bbolt::get<std::uint16_t>(h, 8);
  page.count = bbolt::get<std::uint16_t>(h, 10);
  page.bytes.resize(pages * page_size_);
  if (TRY(file_->pread(page.bytes, id * page_size_)) != page.bytes.size())
    return bad_page(id, "cannot be read");
  return page;
}

Result<void> BboltReader::walk(std::uint64_t id, int depth, std::string_view from, std::string& last,
                               const Walk& visit) {
  if (depth > kDepthMax) return bad_page(id, "nested too deep");
  const Page page = TRY(read_page(id));
  if (page.flags == bbolt::kLeafPage) return walk_leaf(page.bytes, id, from, last, visit);
  if (page.flags != bbolt::kBranchPage) return bad_page(id, "neither leaf nor branch");
  const std::string_view bytes = page.bytes;
  if (bbolt::kPageHeader + page.count * bbolt::kBranchElement > bytes.size())
    return bad_page(id, "too many elements");
  for (std::size_t i = 0; i < page.count; ++i) {
    const std::size_t at = bbolt::kPageHeader + i * bbolt::kBranchElement;
    const std::uint64_t pos = at + bbolt::get<std::uint32_t>(bytes, at);
    const std::uint64_t ksize = bbolt::get<std::uint32_t>(bytes, at + 4);
    if (pos > bytes.size() || ksize > bytes.size() - pos) return bad_page(id, "a key is out of bounds");
    const auto key = bytes.substr(pos, ksize);
    if (key < last || key < from) return bad_page(id, "keys are out of order");
    TRY(walk(bbolt::get<std::uint64_t>(bytes, at + 8), depth + 1, key, last, visit));
  }
  return {};
}

// `id` is for messages. Keys are above `last` and not below `from`.
Result<void> BboltReader::walk_leaf(std::string_view bytes, std::uint64_t id, std::string_view from,
                                    std::string& last, const Walk& visit) {
  const std::size_t count = bbolt::get<std::uint16_t>(bytes, 10);
  if (bbolt::kPageHeader + count * bbolt::kLeafElement > bytes.size())
    return bad_page(id, "too many elements");
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = bbolt::kPageHeader + i * bbolt::kLeafElement;
    const std::uint64_t pos = at + bbolt::get<std::uint32_t>(bytes, at + 4);
    const std::uint64_t ksize = bbolt::get<std::uint32_t>(bytes, at + 8);
    const std::uint64_t vsize = bbolt::get<std::uint32_t>(bytes, at + 12);
    if (pos > bytes.size() || ksize + vsize > bytes.size() - pos)
      return bad_page(id, "an element is out of bounds");
    const auto key = bytes.substr(pos, ksize);
    if (key.empty()) return bad_page(id, "a key is empty");
    if (key <= last || key < from) return bad_page(id, "keys are out of order");
    last = key;
    TRY(visit(bbolt::get<std::uint32_t>(bytes, at), key, bytes.substr(pos + ksize, vsize)));
  }
  return {};
}

Result<void> BboltReader::walk_bucket(std::string_view value, int depth, const Walk& visit) {
  if (value.size() < bbolt::kBucketHeader) return bad("a bucket's record is too short");
  std::string last;
  const std::uint64_t root = bbolt::get<std::uint64_t>(value, 0);
  if (root != 0) return walk(root, depth, {}, last, visit);
  const auto page = value.substr(bbolt::kBucketHeader);
  if (page.size() < bbolt::kPageHeader || bbolt::get<std::uint16_t>(page, 8) != bbolt::kLeafPage)
    return bad("an inline bucket is no leaf");
  return walk_leaf(page, 0, {}, last, visit);
}

std::vector<std::string> BboltReader::buckets() const {
  std::vector<std::string> names;
  for (const auto& b : buckets_) names.push_back(b.name);
  return names;
}

Result<void> BboltReader::for_each(std::string_view bucket, const Visit& visit) {
  for (const auto& b : buckets_) {
    if (b.name != bucket) continue;
    seen_.assign(pages_, false);
    return walk_bucket(
        b.value, 0, [&](std::uint32_t flags, std::string_view key, std::string_view value) -> Result<void> {
          if ((flags & bbolt::kBucketFlag) != 0) return {};
          return visit(key, value);
        });
  }
  return {};
}

Result<void> BboltReader::check_bucket(std::string_view value, int depth) {
  if (depth > kDepthMax) return bad("buckets are nested too deep");
  return walk_bucket(value, depth,
                     [&](std::uint32_t flags, std::string_view, std::string_view nested) -> Result<void> {
                       if ((flags & bbolt::kBucketFlag) == 0) return {};
                       return check_bucket(nested, depth + 1);
                     });
}

Result<void> BboltReader::mark_free() {
  if (freelist_ == bbolt::kNoFreelist) return {};
  const Page page = TRY(read_page(freelist_));
  if (page.flags != bbolt::kFreelistPage) return bad_page(freelist_, "is no freelist");
  std::uint64_t first = 0;
  std::uint64_t count = page.count;
  const std::uint64_t room = (page.bytes.size() - bbolt::kPageHeader) / 8;
  if (count == 0xffff) {
    first = 1;
    count = bbolt::get<std::uint64_t>(page.bytes, bbolt::kPageHeader);
  }
  if (count > room - first) return bad_page(freelist_, "lists more than it holds");
  for (std::uint64_t i = first; i < first + count; ++i) {
    const auto id = bbolt::get<std::uint64_t>(page.bytes, bbolt::kPageHeader + i * 8);
    if (id < 2 || id >= pages_) return bad_page(id, "is free, but out of bounds");
    if (seen_[id]) return bad_page(id, "is free, but in use or listed twice");
    seen_[id] = true;
  }
  return {};
}

Result<void> BboltReader::check() {
  seen_.assign(pages_, false);
  std::string last;
  TRY(walk(root_, 0, {}, last,
           [](std::uint32_t, std::string_view, std::string_view) -> Result<void> { return {}; }));
  for (const auto& b : buckets_) TRY(check_bucket(b.value, 0));
  if (freelist_ == bbolt::kNoFreelist) return {};
  TRY(mark_free());
  for (std::uint64_t id = 2; id < pages_; ++id) {
    if (!seen_[id]) return bad_page(id, "unreachable unfreed");
  }
  return {};
}

}  // namespace keelson::kvstore
