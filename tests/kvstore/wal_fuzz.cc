// Any bytes behind a valid segment header: open() answers or refuses, and what it opened can be written and
// opened again.
#include <cstdlib>

#include "base/mem_file.h"
#include "raft/wal/wal.h"

using namespace keelson;
using namespace keelson::raft;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  MemFileSystem fs;
  auto file = *fs.open("wal/0000000000000001.wal", OpenMode::kCreate);
  // The first byte chooses how the rest is framed, so that the fuzzer gets past the checksums.
  std::string bytes = wal::segment_header({1, 0, false});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const unsigned char how = rest.empty() ? 0 : data[0];
  if (!rest.empty()) rest.remove_prefix(1);
  if (how % 2 == 0) {
    bytes += rest;
  } else {
    std::string body;
    std::uint32_t chain = 0;
    std::uint32_t count = 0;
    while (!rest.empty()) {
      const auto type = static_cast<wal::RecordType>(rest[0] % 8);
      const std::size_t n =
          std::min<std::size_t>(rest.size() - 1, 16 + static_cast<unsigned char>(rest[0]) / 8);
      chain = wal::append_record(body, type, rest.substr(1, n), {}, chain);
      ++count;
      rest.remove_prefix(1 + n);
    }
    char header[wal::kBatchHeader];
    wal::write_batch_header(header,
                            {wal::kSegmentHeader, static_cast<std::uint32_t>(body.size()), count, 0, chain});
    bytes.append(header, sizeof header).append(body);
  }
  if (!file->pwrite(bytes, 0)) std::abort();
  WalOptions options;
  options.dir = "wal";
  options.segment_bytes = 4096;
  options.repairable = how % 4 >= 2;
  auto opened = Wal::open(fs, options);
  if (!opened) return 0;
  if (opened->recovery.damaged) {
    const IndexRange range = *opened->recovery.damaged;
    if (range.last < range.first || range.last.value() - range.first.value() > 1000) return 0;
    std::vector<Entry> entries;
    const Term term = std::max(opened->recovery.base_term, opened->recovery.gap_term);
    for (Index i = range.first; i <= range.last; i = i.next()) entries.push_back({term, i, Bytes()});
    if (!opened->wal->repair(std::move(entries))) return 0;
  }
  const auto last = opened->wal->last_index();
  if (last.value() == ~std::uint64_t{0}) return 0;
  opened->wal->append({Term(1), last.next(), Bytes::literal("more")});
  if (!opened->wal->sync()) std::abort();
  auto again = Wal::open(fs, options);
  if (!again || again->recovery.last != last.next()) std::abort();
  return 0;
}
