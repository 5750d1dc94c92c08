// The kubelet's own HTTPS API (port 10250), a net::Handler. The API server reaches pods through it alone.
//
//   GET  /healthz                                        "ok"
//   GET  /pods                                           v1.PodList of this node
//   GET  /containerLogs/NS/POD/CONTAINER?follow=…        text, see log_reader.h
//   GET|POST /exec/NS/POD[/UID]/CONTAINER?command=…      upgrade, see streaming/remote_command.h
//   GET|POST /attach/NS/POD[/UID]/CONTAINER              upgrade
//   GET|POST /portForward/NS/POD[/UID]                   upgrade, see streaming/port_forward.h
//
// Errors are plain text with the status that fits the Error's code; the API server makes a Status of them.
//
// Thread rule: handle() runs on the connection's executor; many at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kubelet/runtime_access.h"
#include "net/http.h"

namespace keelson::kubelet {

// What a request does, in the terms of RBAC: `verb` on nodes/`subresource`.
struct KubeletAction {
  std::string verb;         // get, create, update, patch, delete
  std::string subresource;  // healthz, pods, metrics, stats or proxy
};

// Says who is asking (client certificate, bearer token) and whether they may. kUnauthenticated is answered
// with 401, kPermissionDenied with 403.
using KubeletAuthorizer =
    std::function<Task<Result<void>>(const net::Request& request, KubeletAction action)>;

class KubeletApi final : public net::Handler {
 public:
  // `runtime` and `clock` outlive it.
  KubeletApi(RuntimeAccess& runtime, KubeletAuthorizer authorizer, Clock& clock, Logger logger)
      : runtime_(runtime), authorizer_(std::move(authorizer)), clock_(clock), logger_(std::move(logger)) {}

  Task<> handle(net::Exchange& exchange) override;

 private:
  using Path = std::vector<std::string>;  // decoded segments
  Task<Result<void>> route(net::Exchange& exchange, Path path);
  Task<Result<void>> logs(net::Exchange& exchange, ContainerRef ref);
  Task<Result<void>> remote_command(net::Exchange& exchange, ContainerRef ref, bool attach);
  Task<Result<void>> port_forward(net::Exchange& exchange, std::string ns, std::string pod, std::string uid);

  RuntimeAccess& runtime_;
  const KubeletAuthorizer authorizer_;
  Clock& clock_;
  const Logger logger_;
};

}  // namespace keelson::kubelet
