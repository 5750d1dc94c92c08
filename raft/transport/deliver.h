// What has come from a member on one of its streams, or back on one of ours, for the sink. Internal to
// raft/transport.
#pragma once

#include "raft/transport/frame.h"
#include "raft/transport/peer_shared.h"

namespace keelson::raft {

// Hands on what is whole of `frames`; also what stands before a frame that cannot be read, which is logged and
// returned.
Result<void> deliver(const PeerShared& shared, StreamKind kind, NodeId from, FrameReader& frames,
                     PeerMetrics& metrics);

}  // namespace keelson::raft
