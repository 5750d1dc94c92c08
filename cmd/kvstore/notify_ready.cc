#include "cmd/kvstore/notify_ready.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace keelson::cmd {

void notify_ready() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || *path == '\0' || std::strlen(path) >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, std::strlen(path));
  // '@' stands for the zero byte of an abstract socket.
  if (*path == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  constexpr std::string_view kReady = "READY=1";
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  [[maybe_unused]] const auto sent =
      ::sendto(fd, kReady.data(), kReady.size(), 0, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

}  // namespace keelson::cmd
