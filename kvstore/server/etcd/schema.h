// Schema: the messages, enums and methods of the etcd v3 API as data: what the JSON gateway needs to speak
// for every service, whoever registered it. The codecs of the services know the same numbers by heart;
// schema_test holds both against each other.
//
// The text (schema_text.cc), one thing per line:
//   enum NAME VALUE=0 …
//   message NAME            followed by its fields:   NUMBER NAME [repeated] [oneof] TYPE
//   rpc PATH REQUEST RESPONSE [stream] HTTP-PATH…     (stream: the server streams)
//
// Thread rule: immutable once built.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::kvstore::etcd {

std::string_view schema_text();

enum class FieldKind : std::uint8_t { kInt64, kUint64, kUint32, kBool, kString, kBytes, kEnum, kMessage };

struct EnumDesc {
  std::vector<std::pair<std::int64_t, std::string_view>> values;
};

struct MessageDesc;
struct FieldDesc {
  std::uint32_t number = 0;
  std::string_view name;  // as in the proto
  std::string json_name;  // lowerCamelCase; taken in requests too
  FieldKind kind = FieldKind::kInt64;
  bool repeated = false;
  bool oneof = false;  // present even when zero
  const MessageDesc* message = nullptr;
  const EnumDesc* values = nullptr;
};
struct MessageDesc {
  std::string_view name;
  std::vector<FieldDesc> fields;
  const FieldDesc* by_number(std::uint32_t n) const;
  const FieldDesc* by_name(std::string_view n) const;
};

struct MethodDesc {
  std::string_view path;  // of gRPC
  const MessageDesc* request = nullptr;
  const MessageDesc* response = nullptr;
  bool streams = false;
};

class Schema {
 public:
  // REQUIRES: `text` is well formed (CHECKed) and outlives the schema.
  explicit Schema(std::string_view text);
  // By path of the gateway; null: none.
  const MethodDesc* by_http_path(std::string_view path) const;
  // Null: none.
  const MessageDesc* message(std::string_view name) const;
  const std::map<std::string_view, const MethodDesc*>& http_paths() const { return http_; }

 private:
  std::map<std::string_view, EnumDesc> enums_;
  std::map<std::string_view, MessageDesc> messages_;
  std::deque<MethodDesc> methods_;
  std::map<std::string_view, const MethodDesc*> http_;
};

}  // namespace keelson::kvstore::etcd
