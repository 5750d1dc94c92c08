#include "raft/core/quorum.h"

#include <algorithm>
#include <functional>

namespace keelson::raft::detail {

std::uint64_t majority_of(std::span<std::uint64_t> values) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, nth, std::greater<>());
  return *nth;
}

}  // namespace keelson::raft::detail
