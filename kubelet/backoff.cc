#include "kubelet/backoff.h"

#include <fmt/format.h>

namespace keelson::kubelet {

std::string go_duration(Duration d) {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{}s", s / 60, s % 60);
  return fmt::format("{}h{}m{}s", s / 3600, s % 3600 / 60, s % 60);
}

}  // namespace keelson::kubelet
