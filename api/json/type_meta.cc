// find_type_meta() and the small texts around it.
#include <fmt/format.h>

#include "api/json.h"
#include "api/json/place.h"
#include "api/json/scanner.h"

namespace keelson::api {

namespace {

bool equal_fold(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

std::unexpected<Error> parse_error(std::string_view why) {
  return fail(Code::kInvalidArgument, fmt::format("couldn't get version/kind; json parse error: {}", why));
}

}  // namespace

Result<TypeMeta> find_type_meta(std::string_view text) {
  TypeMeta out;
  json::Scanner s(text);
  Arena arena;
  std::string error;
  const auto walk = [&] {
    s.space();
    if (s.peek() != '{') {
      if (s.peek() != 'n')
        error = fmt::format(
            "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string "
            "\"json:\\\"apiVersion,omitempty\\\"\"; "
            "Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            json::kind_of_value(s.peek()));
      return s.skip_value();
    }
    s.advance();
    s.space();
    if (s.peek() == '}') return s.advance(), true;
    for (;;) {
      s.space();
      std::string_view name;
      if (!s.string(name, arena) || !s.expect(':')) return false;
      s.space();
      // encoding/json matches these two names without regard to case.
      std::string* into = equal_fold(name, "kind")         ? &out.kind
                          : equal_fold(name, "apiversion") ? &out.api_version
                                                           : nullptr;
      if (into != nullptr && s.peek() == '"') {
        std::string_view value;
        if (!s.string(value, arena)) return false;
        *into = value;
      } else {
        if (into != nullptr && s.peek() != 'n' && error.empty())
          error = fmt::format("json: cannot unmarshal {} into Go struct field .{} of type string",
                              json::kind_of_value(s.peek()), into == &out.kind ? "kind" : "apiVersion");
        if (!s.skip_value()) return false;
      }
      s.space();
      if (s.peek() == '}') return s.advance(), true;
      if (s.peek() != ',') return false;
      s.advance();
    }
  };
  const bool ok = walk() && (s.space(), s.at_end());
  if (!ok) {
    const std::string syntax = json_syntax_error(text);
    return parse_error(syntax.empty() ? "unexpected end of JSON input" : syntax);
  }
  if (!error.empty()) return parse_error(error);
  return out;
}

std::string bytes_for_message(std::string_view body) {
  if (body.empty()) return "(<empty>)";
  constexpr std::size_t kMax = 30;
  if (body[0] == '{')
    return body.size() > kMax ? fmt::format("({} ...)", body.substr(0, kMax)) : fmt::format("({})", body);
  std::string hex;
  for (char c : body.substr(0, kMax)) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return body.size() > kMax ? fmt::format("({} ...)", hex) : fmt::format("({})", hex);
}

std::string strict_error_message(const std::vector<std::string>& strict_errors) {
  return fmt::format("strict decoding error: {}", fmt::join(strict_errors, ", "));
}

}  // namespace keelson::api
