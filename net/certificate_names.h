// What the names in a certificate cover: a host that is asked for, the address that a connection comes from.
// The rules are those of Go's crypto/x509 and of etcd's peer listener, which people's certificates are made
// for.
//
// Thread rule: pure, but for SystemNames, which blocks; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http.h"

namespace keelson::net {

// Whether `cert` is good for `host`: an IP must be among its addresses, a name among its DNS names; "*."
// there stands for one label. The common name does not count.
bool covers_host(const PeerCertificate& cert, std::string_view host);

// Which names an address has, and which addresses a name.
class NameService {
 public:
  virtual ~NameService() = default;
  // Of the reverse lookup; without a dot at the end.
  virtual Result<std::vector<std::string>> names_of(const std::string& ip) = 0;
  virtual Result<std::vector<std::string>> addresses_of(const std::string& name) = 0;
};

// The machine's own: hosts file and DNS. Blocks.
class SystemNames final : public NameService {
 public:
  Result<std::vector<std::string>> names_of(const std::string& ip) override;
  Result<std::vector<std::string>> addresses_of(const std::string& name) override;
};

// Whether asking `names` can change what check_source() says.
bool wants_lookup(const PeerCertificate& cert, const std::string& ip);

// Whether who shows `cert` may come from `ip`. A certificate without addresses and DNS names is good
// anywhere. Otherwise `ip` must be one of its addresses, or have a name (reverse lookup) that is one of its
// DNS names or ends like one that begins with "*.", or be an address of one of its DNS names.
// kUnauthenticated, in etcd's words.
Result<void> check_source(const PeerCertificate& cert, const std::string& ip, NameService& names);

}  // namespace keelson::net
