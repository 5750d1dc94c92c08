// Replies: objects, lists and watch events as the bytes a client asked for: JSON, YAML or protobuf; whole, as Tables or
// as PartialObjectMetadata. Plain JSON and protobuf come from the bytes that the object versions hold already.
// Thread rule: pure functions; long lists take long, call them on a worker.
#pragma once

#include <string>
#include <vector>

#include "api/table/table.h"
#include "apiserver/endpoint.h"
#include "apiserver/media_type.h"
#include "apiserver/resource.h"

namespace keelson::apiserver {

struct ReplyForm {
  Accepted accepted;
  api::IncludeObject include = api::IncludeObject::kMetadata;  // Tables
};

// Errors: 406 where the view does not fit (a list as PartialObjectMetadata).
Result<std::vector<Bytes>> encode_object(const VersionPtr& version, const ReplyForm& form, api::Time now);
Result<std::vector<Bytes>> encode_list(const Resource& resource, const ListResult& list, const ReplyForm& form,
                                       api::Time now);
// One event's line or frame, appended. `first`: a Table carries its columns.
void append_event(std::string& out, const Resource& resource, const WatchEvent& event, const ReplyForm& form, bool first,
                  api::Time now);
// The ERROR event of a Status.
void append_error_event(std::string& out, const Error& error, const ReplyForm& form);
// A Status, in the accepted type.
std::string encode_status(const Error& error, MediaType type);

}  // namespace keelson::apiserver
