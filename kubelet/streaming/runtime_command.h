// The kubelet as a client of the container runtime's streaming server (containerd: plain HTTP on 127.0.0.1,
// SPDY/3.1), and the joint between it and kubectl.
//
//   kubectl ◄─ RemoteCommandSession ─► join_remote_command ◄─ RuntimeCommand ─► containerd
//
// Over WebSocket containerd speaks v4 only, which cannot end stdin: hence SPDY.
//
// Thread rule: everything on one executor, that of the exchange.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "kubelet/streaming/remote_command.h"
#include "net/spdy.h"

namespace keelson::kubelet {

// Connects to `url` ("http://127.0.0.1:41234/exec/TOKEN", what CRI's Exec, Attach and PortForward answer) and
// switches it to SPDY/3.1 with X-Stream-Protocol-Version `protocol`.
Task<Result<std::unique_ptr<net::ByteStream>>> dial_runtime(std::string url, std::string protocol,
                                                            Clock& clock, Logger logger);

// A command that runs behind a streaming connection of the runtime.
class RuntimeCommand {
 public:
  // `stream` is the connection after the switch, v4.channel.k8s.io.
  explicit RuntimeCommand(std::unique_ptr<net::ByteStream> stream)
      : session_(std::move(stream), net::SpdySession::Role::kClient) {}
  // Opens the streams of `choice`.
  Task<Result<void>> open(StreamChoice choice);
  // Here the caller writes `in` and `resize` and reads `out` and `err`.
  RemoteCommandStreams& streams() { return streams_; }
  // The outcome: reads the error stream to its end.
  Task<ExitStatus> wait();
  // Closes the connection. To be called before destruction.
  Task<> stop() { return session_.stop(); }

 private:
  net::SpdySession session_;
  std::unique_ptr<net::SpdyStream> error_;
  RemoteCommandStreams streams_;
};

// Carries bytes both ways until the command has ended and its output is delivered, then finishes the client
// with its outcome. Returns early when the client goes away. The caller stops both afterwards; both outlive
// the task.
Task<> join_remote_command(RemoteCommandSession& client, RuntimeCommand& runtime);

}  // namespace keelson::kubelet
