#include "kubelet/digest.h"

#include <openssl/sha.h>

namespace keelson::kubelet {

std::string sha256_hex(std::string_view data) {
  unsigned char md[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), md);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * sizeof md);
  for (unsigned char c : md) {
    out += kHex[c >> 4];
    out += kHex[c & 15];
  }
  return out;
}

std::string short_digest(std::string_view data) {
  return sha256_hex(data).substr(0, 8);
}

}  // namespace keelson::kubelet
