#include "kubelet/images/tar.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace keelson::kubelet {
namespace {

constexpr std::size_t kBlock = 512;

// Offsets and sizes of the ustar header's fields (POSIX.1-2017, pax "ustar Interchange Format").
struct Slot {
  std::size_t at, size;
};
constexpr Slot kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kTime{136, 12},
    kSum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8};

void put_octal(char* block, Slot slot, unsigned long long v) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(slot.size - 1), v);
  std::memcpy(block + slot.at, text, slot.size);
}

}  // namespace

void TarWriter::header(std::string_view path, std::string_view link, unsigned mode, std::size_t size,
                       char type) {
  CHECK(!path.empty() && path.size() < kName.size && link.size() < kLink.size);
  char block[kBlock] = {};
  std::memcpy(block + kName.at, path.data(), path.size());
  put_octal(block, kMode, mode);
  put_octal(block, kUid, 0);
  put_octal(block, kGid, 0);
  put_octal(block, kSize, size);
  put_octal(block, kTime, 0);
  block[kType.at] = type;
  std::memcpy(block + kLink.at, link.data(), link.size());
  std::memcpy(block + kMagic.at,
              "ustar\0"
              "00",
              kMagic.size);
  std::memset(block + kSum.at, ' ', kSum.size);
  unsigned sum = 0;
  for (unsigned char c : block) sum += c;
  std::snprintf(block + kSum.at, kSum.size, "%06o", sum);
  block[kSum.at + 7] = ' ';
  out_.append(block, kBlock);
}

void TarWriter::directory(std::string_view path, unsigned mode) {
  header(std::string(path) + "/", "", mode, 0, '5');
}

void TarWriter::file(std::string_view path, std::string_view content, unsigned mode) {
  header(path, "", mode, content.size(), '0');
  out_.append(content);
  out_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

void TarWriter::symlink(std::string_view path, std::string_view target) {
  header(path, target, 0777, 0, '2');
}

std::string TarWriter::finish() {
  out_.append(2 * kBlock, '\0');
  return std::exchange(out_, {});
}

}  // namespace keelson::kubelet
