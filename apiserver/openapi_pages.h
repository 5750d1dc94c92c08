// The pages below /openapi/ and /swagger*: which document, in which form, with which caching headers. Thread rule: any thread.
#pragma once

#include <optional>

#include "apiserver/http_front.h"
#include "apiserver/openapi/openapi.h"
#include "net/http.h"

namespace keelson::apiserver {

// nullopt: no such page.
std::optional<StaticReply> openapi_page(OpenApi& openapi, const net::Request& request);

}  // namespace keelson::apiserver
