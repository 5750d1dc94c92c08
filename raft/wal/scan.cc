#include "raft/wal/scan.h"

#include <algorithm>
#include <vector>

namespace keelson::raft::wal {
namespace {

// False: the segment ended without a seal.
bool scan_segment(const std::string& path, std::string_view data, std::uint32_t& chain, bool anew,
                  const std::function<void(const ScannedRecord&)>& tell) {
  const auto tail = [&](std::size_t at) { return data.substr(std::min(at, data.size())); };
  std::size_t at = kSegmentHeader;
  for (;;) {
    const std::size_t start = batch_start(at);
    BatchHeader h;
    if (!read_batch_header(tail(start).substr(0, kBatchHeader), h) || h.chain != chain) return false;
    at = start + kBatchHeader;
    for (std::uint32_t i = 0; i < h.count; ++i) {
      ScannedRecord r{.path = &path, .offset = at, .anew = anew};
      if (!read_record(tail(at), chain, r.record)) return false;
      anew = false;
      tell(r);
      if (r.record.type == RecordType::kSeal) return true;
      at += r.record.size;
    }
  }
}

}  // namespace

Result<void> scan_log(FileSystem& fs, const std::string& dir,
                      const std::function<void(const ScannedRecord&)>& tell) {
  std::vector<std::string> paths;
  for (const auto& name : TRY(fs.list(dir))) {
    if (name.size() == 20 && name.ends_with(".wal")) paths.push_back(dir + "/" + name);
  }
  std::uint32_t chain = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string data = TRY(read_file(fs, paths[i]));
    SegmentHeader h;
    if (!read_segment_header(data, h)) return fail(Code::kDataLoss, paths[i] + ": bad segment header");
    chain = h.chain;
    if (!scan_segment(paths[i], data, chain, h.fresh, tell) && i + 1 < paths.size()) {
      return fail(Code::kDataLoss, paths[i] + ": no seal, but another segment follows");
    }
  }
  return {};
}

}  // namespace keelson::raft::wal
