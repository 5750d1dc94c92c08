// Internal to kubelet/streaming: the two kinds of RemoteCommandSession.
#pragma once

#include <memory>
#include <string>

#include "kubelet/streaming/remote_command.h"
#include "net/http.h"

namespace keelson::kubelet {

constexpr auto kStreamCreationTimeout = std::chrono::seconds(30);
constexpr auto kLinger = std::chrono::seconds(3);

Task<Result<std::unique_ptr<RemoteCommandSession>>> accept_spdy_command(net::Exchange& exchange,
                                                                        StreamChoice choice, Clock& clock);
Task<Result<std::unique_ptr<RemoteCommandSession>>> accept_websocket_command(net::Exchange& exchange,
                                                                             StreamChoice choice,
                                                                             Clock& clock);

// Negotiates X-Stream-Protocol-Version among `supported` and switches the exchange to SPDY; what was chosen
// is put into
// `*chosen`. On error the exchange has been answered (400 without the header, 403 without a common version).
Task<Result<std::unique_ptr<net::ByteStream>>> upgrade_to_spdy(net::Exchange& exchange,
                                                               std::vector<std::string_view> supported,
                                                               std::string* chosen);
// Answers with plain text and hands the same text back as an error.
Task<Error> refuse(net::Exchange& exchange, int status, std::string text);

}  // namespace keelson::kubelet
