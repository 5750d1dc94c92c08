// Passwords as etcd keeps them: bcrypt ("$2a$10$…"). Hashes of either are good for the other.
// Thread rule: any thread; both functions take about 2^cost × 50 µs of CPU: call them on a worker executor.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::kvstore::etcd {

inline constexpr int kBcryptCostMin = 4;
inline constexpr int kBcryptCostMax = 31;
inline constexpr int kBcryptCostDefault = 10;

// With a salt from the operating system. kUnknown for more than 72 bytes, kInvalidArgument for zero bytes in
// it (bcrypt cannot see what follows). REQUIRES: cost within [kBcryptCostMin, kBcryptCostMax].
Result<std::string> hash_password(std::string_view password, int cost);
bool password_matches(std::string_view password, std::string_view hash);

}  // namespace keelson::kvstore::etcd
