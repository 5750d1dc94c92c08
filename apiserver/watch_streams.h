// The streams behind a watch request: from the cache's window, or, for resourceVersions older than it, from the store.
// Both apply the filter (objects that begin or cease to match become ADDED and DELETED), send bookmarks and end by time.
#pragma once

#include <memory>

#include "apiserver/endpoint.h"
#include "apiserver/filter.h"
#include "apiserver/registry.h"

namespace keelson::apiserver {

// Opens the watch. Errors before the stream starts: 400, 500 (resourceVersion), 504. A revision that was compacted is no
// error: the stream's first next() says 410.
Task<Result<std::unique_ptr<WatchStream>>> open_watch(Registry& registry, const Resource& resource, std::string ns,
                                                      std::string name, ListOptions options, Clock& clock,
                                                      Duration default_timeout);

}  // namespace keelson::apiserver
