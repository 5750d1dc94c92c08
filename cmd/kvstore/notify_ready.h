// sd_notify(3) without its library: tells the service manager that the process is ready (unit files with
// Type=notify).
#pragma once

namespace keelson::cmd {

// No effect without $NOTIFY_SOCKET.
void notify_ready();

}  // namespace keelson::cmd
