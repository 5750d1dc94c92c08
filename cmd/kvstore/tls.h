// The member's certificates: read from the files that the flags name, generated for --auto-tls, read again
// when they change.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cmd/kvstore/config.h"
#include "net/client.h"
#include "net/server.h"

namespace keelson::cmd {

// With `auto_tls` and without files: a self-signed certificate for `hosts` under `dir`, made once. Returns
// the files to use.
Result<TlsFiles> with_generated(TlsFiles tls, const std::string& dir, const std::vector<Url>& urls,
                                std::int64_t years, Clock& clock);

// What a listener on an https URL needs. kInvalidArgument where there is no certificate or it cannot be read.
Result<net::TlsServerConfig> server_tls(const KvstoreConfig& config, const TlsFiles& tls);

// What this member presents to others as a client and how it checks them.
Result<net::TlsClientConfig> client_tls(const TlsFiles& tls);

// Changes whenever one of the files does: to notice renewed certificates.
std::string file_stamp(const TlsFiles& tls);

}  // namespace keelson::cmd
