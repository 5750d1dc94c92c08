#include "kvstore/backend/bbolt_writer.h"

#include <algorithm>

#include "base/check.h"
#include "kvstore/backend/bbolt_format.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kBuffer = 1 << 20;
constexpr std::uint64_t kFreelistPageId = 2;
// Branches with long keys overflow rather than make the tree a list.
constexpr std::size_t kBranchElementsMin = 4;

void put_page_header(std::string& out, std::uint64_t id, std::uint16_t flags, std::size_t count,
                     std::uint64_t overflow) {
  bbolt::put(out, id);
  bbolt::put(out, flags);
  bbolt::put(out, static_cast<std::uint16_t>(count));
  bbolt::put(out, static_cast<std::uint32_t>(overflow));
}

void pad(std::string& page) {
  page.resize((page.size() + BboltWriter::kPageSize - 1) / BboltWriter::kPageSize * BboltWriter::kPageSize);
}

}  // namespace

std::size_t BboltWriter::Page::bytes() const {
  static_assert(bbolt::kLeafElement == bbolt::kBranchElement);
  return bbolt::kPageHeader + elements.size() * bbolt::kLeafElement + data.size();
}

void BboltWriter::Page::add(std::uint32_t flags, std::uint64_t child, std::string_view key,
                            std::string_view value) {
  elements.push_back(
      {flags, child, static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())});
  data.append(key).append(value);
}

Result<std::unique_ptr<BboltWriter>> BboltWriter::create(FileSystem& fs, const std::string& path) {
  std::unique_ptr<BboltWriter> w(new BboltWriter(TRY(fs.open(path, OpenMode::kCreate))));
  // The meta pages come last, when the root is known.
  TRY(w->write(std::string(2 * kPageSize, '\0')));
  std::string freelist;
  put_page_header(freelist, kFreelistPageId, bbolt::kFreelistPage, 0, 0);
  pad(freelist);
  TRY(w->write(freelist));
  w->next_page_ = kFreelistPageId + 1;
  return w;
}

Result<void> BboltWriter::begin_bucket(std::string_view name) {
  TRY(end_bucket());
  CHECK(name > bucket_);
  bucket_ = name;
  in_bucket_ = true;
  return {};
}

Result<void> BboltWriter::put(std::string_view key, std::string_view value) {
  CHECK(in_bucket_ && !key.empty());
  if (key.size() > bbolt::kKeyMax) return fail(Code::kInvalidArgument, "bbolt: a key is too long");
  return add(tree_, 0, 0, 0, key, value);
}

Result<std::uint64_t> BboltWriter::finish() {
  TRY(end_bucket());
  const std::uint64_t root = TRY(finish_tree(root_));
  TRY(flush());
  for (std::uint64_t txid : {1, 0}) {
    std::string meta;
    put_page_header(meta, txid, bbolt::kMetaPage, 0, 0);
    add_meta(meta, txid, root);
    TRY(file_->pwrite(meta, txid * kPageSize));
  }
  file_.reset();
  return next_page_ * kPageSize;
}

void BboltWriter::add_meta(std::string& out, std::uint64_t txid, std::uint64_t root) const {
  std::string meta;
  bbolt::put(meta, bbolt::kMagic);
  bbolt::put(meta, bbolt::kVersion);
  bbolt::put(meta, static_cast<std::uint32_t>(kPageSize));
  bbolt::put(meta, std::uint32_t{0});
  bbolt::put(meta, root);
  bbolt::put(meta, std::uint64_t{0});
  bbolt::put(meta, kFreelistPageId);
  bbolt::put(meta, next_page_);
  bbolt::put(meta, txid);
  bbolt::put(meta, bbolt::fnv1a(meta));
  out += meta;
}

// An empty bucket is inline, as there is no empty page to point to.
Result<void> BboltWriter::end_bucket() {
  if (!in_bucket_) return {};
  in_bucket_ = false;
  std::string value;
  if (tree_.empty()) {
    bbolt::put(value, std::uint64_t{0});
    bbolt::put(value, std::uint64_t{0});
    put_page_header(value, 0, bbolt::kLeafPage, 0, 0);
  } else {
    bbolt::put(value, TRY(finish_tree(tree_)));
    bbolt::put(value, std::uint64_t{0});
  }
  return add(root_, 0, bbolt::kBucketFlag, 0, bucket_, value);
}

Result<void> BboltWriter::add(TreeLevels& levels, std::size_t level, std::uint32_t flags, std::uint64_t child,
                              std::string_view key, std::string_view value) {
  if (levels.size() <= level) levels.emplace_back();
  const std::size_t more = bbolt::kLeafElement + key.size() + value.size();
  const std::size_t enough = level == 0 ? 1 : kBranchElementsMin;
  if (levels[level].elements.size() >= enough && levels[level].bytes() + more > kPageSize) {
    Page full = std::move(levels[level]);
    levels[level] = Page();
    if (level > 0) {
      // So that no branch ends up with one child.
      const auto last = full.elements.back();
      const std::string last_key = full.data.substr(full.data.size() - last.key_size);
      full.elements.pop_back();
      full.data.resize(full.data.size() - last.key_size);
      levels[level].add(0, last.child, last_key, {});
    }
    const std::uint64_t page = TRY(write_page(full, level == 0));
    TRY(add(levels, level + 1, 0, page, full.first_key(), {}));
  }
  levels[level].add(flags, child, key, value);
  return {};
}

// Writes what is left of a tree; its root.
Result<std::uint64_t> BboltWriter::finish_tree(TreeLevels& levels) {
  if (levels.empty()) levels.emplace_back();
  std::uint64_t root = 0;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const Page page = std::move(levels[level]);
    const bool top = level + 1 == levels.size();
    root = TRY(write_page(page, level == 0));
    if (!top) TRY(add(levels, level + 1, 0, root, page.first_key(), {}));
  }
  levels.clear();
  return root;
}

Result<std::uint64_t> BboltWriter::write_page(const Page& page, bool leaf) {
  const std::uint64_t id = next_page_;
  const std::uint64_t pages = (page.bytes() + kPageSize - 1) / kPageSize;
  std::string out;
  out.reserve(pages * kPageSize);
  put_page_header(out, id, leaf ? bbolt::kLeafPage : bbolt::kBranchPage, page.elements.size(), pages - 1);
  std::size_t pos = page.elements.size() * bbolt::kLeafElement;  // from the element
  for (const auto& e : page.elements) {
    if (leaf) {
      bbolt::put(out, e.flags);
      bbolt::put(out, static_cast<std::uint32_t>(pos));
      bbolt::put(out, e.key_size);
      bbolt::put(out, e.value_size);
    } else {
      bbolt::put(out, static_cast<std::uint32_t>(pos));
      bbolt::put(out, e.key_size);
      bbolt::put(out, e.child);
    }
    pos += e.key_size + e.value_size - bbolt::kLeafElement;
  }
  out += page.data;
  pad(out);
  next_page_ += pages;
  TRY(write(out));
  return id;
}

Result<void> BboltWriter::write(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() < kBuffer) return {};
  return flush();
}

Result<void> BboltWriter::flush() {
  TRY(file_->pwrite(buffer_, written_));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

}  // namespace keelson::kvstore
