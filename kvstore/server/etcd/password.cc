#include "kvstore/server/etcd/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

#include "base/check.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::size_t kPasswordBytesMax = 72;

// "$2b$…" is what every implementation agrees on; "$2a$" in libcrypt carries a guard against an old bug of
// its own, which Go's, whose prefix it is, does not have.
std::string with_prefix(std::string_view hash, char minor) {
  std::string out(hash);
  out[2] = minor;
  return out;
}

// Empty on failure.
std::string bcrypt(std::string_view password, const std::string& setting) {
  const auto data = std::make_unique<crypt_data>();
  const std::string text(password);
  const char* out = ::crypt_r(text.c_str(), setting.c_str(), data.get());
  return out == nullptr || out[0] == '*' ? std::string() : std::string(out);
}

}  // namespace

Result<std::string> hash_password(std::string_view password, int cost) {
  CHECK(cost >= kBcryptCostMin && cost <= kBcryptCostMax);
  if (password.size() > kPasswordBytesMax) {
    return fail(Code::kUnknown, "bcrypt: password length exceeds 72 bytes");
  }
  if (password.find('\0') != std::string_view::npos) {
    return fail(Code::kInvalidArgument, "auth: password contains a zero byte");
  }
  std::array<unsigned char, 16> salt;
  CHECK(::RAND_bytes(salt.data(), static_cast<int>(salt.size())) == 1);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting;
  CHECK(::crypt_gensalt_rn("$2b$", static_cast<unsigned long>(cost),
                           reinterpret_cast<const char*>(salt.data()), static_cast<int>(salt.size()),
                           setting.data(), static_cast<int>(setting.size())) != nullptr);
  const std::string hash = bcrypt(password, setting.data());
  if (hash.empty()) return fail(Code::kInternal, "bcrypt failed");
  return with_prefix(hash, 'a');
}

bool password_matches(std::string_view password, std::string_view hash) {
  if (hash.size() != 60 || !hash.starts_with("$2") || hash[3] != '$') return false;
  if (password.find('\0') != std::string_view::npos) return false;
  const std::string want = with_prefix(hash, 'b');
  const std::string got = bcrypt(password.substr(0, kPasswordBytesMax), want);
  return got.size() == want.size() && ::CRYPTO_memcmp(got.data(), want.data(), want.size()) == 0;
}

}  // namespace keelson::kvstore::etcd
