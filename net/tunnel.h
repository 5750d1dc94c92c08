// What the API server puts between kubectl and a kubelet, and how two byte streams are joined: what the API
// server does with an upgraded exec, attach or port-forward once the kubelet has agreed to it, and what a
// port-forward does with a TCP connection.
//
//   kubectl ──101──► proxy_upgrade ──101──► kubelet      headers relayed, then splice() until both directions
//   end
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "net/client.h"
#include "net/http.h"
#include "net/upgrade.h"

namespace keelson::net {

// Copies `from` to `to` until the end of `from`; does not pass the end on. The error of whichever failed.
// Both outlive it.
Task<Result<void>> copy_to_end(ByteStream& from, ByteStream& to);

// Copies a → b and b → a; the end of one direction half-closes the other stream's sending side. Returns when
// both directions have ended, or closes both streams as soon as one of them fails and answers the first
// error. Both streams outlive the task.
Task<Result<void>> splice(ByteStream& a, ByteStream& b);

// Sends `request` (an upgrade: method, target and headers are the caller's; hop-by-hop Connection and Upgrade
// headers of the exchange's request are added when `request` has none, and the Sec-WebSocket-* and
// X-Stream-Protocol-Version ones are copied) to the kubelet. On 101 it relays the reply's headers to the
// client and splices until both ends close. When the kubelet refuses, its status and body are relayed to the
// client; when it cannot be reached, the Error is returned and nothing has been written to the exchange.
Task<Result<void>> proxy_upgrade(Exchange& exchange, HttpClient& to_kubelet, ClientRequest request);

// Relays a streamed reply (logs): sends `request`, then on a 2xx answer its content-type and body as they
// come, until the body ends or the client goes away. When the kubelet cannot be reached or answers otherwise,
// the Error is returned (with an UpgradeRefused as detail for the latter) and nothing has been written to the
// exchange.
Task<Result<void>> proxy_stream(Exchange& exchange, HttpClient& to_kubelet, ClientRequest request);

}  // namespace keelson::net
