#include "kvstore/server/member_id.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace keelson::kvstore {
namespace {

std::uint64_t sha1_prefix(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  std::uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | digest[i];
  return out;
}

}  // namespace

std::uint64_t member_id(std::vector<std::string> peer_urls, const std::string& token,
                        std::optional<std::int64_t> unix_seconds) {
  std::ranges::sort(peer_urls);
  std::string bytes;
  for (const auto& url : peer_urls) bytes += url;
  bytes += token;
  if (unix_seconds) bytes += std::to_string(*unix_seconds);
  return sha1_prefix(bytes);
}

std::uint64_t cluster_id(std::vector<std::uint64_t> members) {
  std::ranges::sort(members);
  std::string bytes;
  for (std::uint64_t id : members)
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(id >> shift);
  return sha1_prefix(bytes);
}

std::string id_text(std::uint64_t id) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, id, 16).ptr;
  return std::string(text, end);
}

}  // namespace keelson::kvstore
