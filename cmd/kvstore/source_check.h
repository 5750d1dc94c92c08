// SourceCheck: members whose certificate names addresses or hosts may connect from these alone, as with etcd
// (--peer-skip-client-san-verification switches it off).
//
// Thread rule: admit() from any executor; made and destroyed while no connection is in admit().
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/task.h"
#include "net/certificate_names.h"
#include "net/io_pool.h"
#include "net/server.h"

namespace keelson::cmd {

class SourceCheck {
 public:
  // `names` is asked on threads of its own, since it blocks, also in an outage of the name service.
  SourceCheck(std::unique_ptr<net::NameService> names, Clock& clock);

  // For ServerOptions::admit. Who shows no certificate or comes by a unix socket is admitted.
  Task<Result<void>> admit(std::shared_ptr<const net::ConnectionInfo> connection);

 private:
  const std::unique_ptr<net::NameService> names_;
  Clock& clock_;
  net::IoPool threads_{1, 2};
};

}  // namespace keelson::cmd
