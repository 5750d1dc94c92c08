#include "api/json_value.h"

#include <boost/json.hpp>

namespace keelson::api {

namespace {

// Go's json.Marshal of a parsed value, but for the order of members, which stays as it is.
void write(std::string& out, const boost::json::value& v) {
  switch (v.kind()) {
    case boost::json::kind::null:
      out.append("null");
      return;
    case boost::json::kind::bool_:
      out.append(v.get_bool() ? "true" : "false");
      return;
    case boost::json::kind::int64:
      out.append(std::to_string(v.get_int64()));
      return;
    case boost::json::kind::uint64:
      out.append(std::to_string(v.get_uint64()));
      return;
    case boost::json::kind::double_:
      append_json_double(out, v.get_double());
      return;
    case boost::json::kind::string:
      append_json_string(out, std::string_view(v.get_string().data(), v.get_string().size()));
      return;
    case boost::json::kind::array: {
      out += '[';
      bool first = true;
      for (const boost::json::value& item : v.get_array()) {
        if (!first) out += ',';
        first = false;
        write(out, item);
      }
      out += ']';
      return;
    }
    case boost::json::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : v.get_object()) {
        if (!first) out += ',';
        first = false;
        append_json_string(out, std::string_view(key.data(), key.size()));
        out += ':';
        write(out, member);
      }
      out += '}';
      return;
    }
  }
}

boost::json::value parse_known(const std::string& text) {
  Result<boost::json::value> out = parse_json_value(text);
  CHECK(out.has_value());
  return std::move(*out);
}

}  // namespace

void append_json(std::string& out, const boost::json::value& value) {
  write(out, value);
}

boost::json::value to_json_value(const Object& object, TypeMetaMode mode) {
  return parse_known(encode_json(object, mode));
}

boost::json::value to_json_value(StructRef s) {
  return parse_known(encode_json(s));
}

Result<Decoded> from_json_value(const boost::json::value& value, const KindInfo& kind) {
  std::string text;
  write(text, value);
  return decode_json(text, kind);
}

Result<Decoded> from_json_value(const boost::json::value& value, const Type& type) {
  std::string text;
  write(text, value);
  return decode_json(text, type);
}

Result<boost::json::value> parse_json_value(std::string_view text) {
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  options.max_depth = 10000;
  boost::json::error_code error;
  boost::json::value out =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
  if (!error) return out;
  std::string why = json_syntax_error(text);
  return fail(Code::kInvalidArgument, why.empty() ? "json: " + error.message() : std::move(why));
}

}  // namespace keelson::api
