#include "kubelet/streaming/exit_status.h"

#include <boost/json.hpp>
#include <charconv>

namespace keelson::kubelet {
namespace {

namespace json = boost::json;

std::string_view text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

std::optional<int> exit_code(const json::object& status) {
  const auto* details = status.if_contains("details");
  const auto* causes =
      details != nullptr && details->is_object() ? details->get_object().if_contains("causes") : nullptr;
  if (causes == nullptr || !causes->is_array()) return std::nullopt;
  for (const auto& cause : causes->get_array()) {
    if (!cause.is_object() || text(cause.get_object(), "reason") != "ExitCode") continue;
    const auto number = text(cause.get_object(), "message");
    int code = 0;
    const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), code);
    if (ec == std::errc() && end == number.data() + number.size()) return code;
  }
  return std::nullopt;
}

}  // namespace

ExitStatus ExitStatus::exited(int code) {
  if (code == 0) return {0, {}};
  return {code, "command terminated with non-zero exit code: exit status " + std::to_string(code)};
}

ExitStatus ExitStatus::internal_error(std::string_view why) {
  return {std::nullopt, "Internal error occurred: " + std::string(why)};
}

ExitStatus ExitStatus::from_json(std::string_view body) {
  boost::system::error_code ec;
  const auto value = json::parse(json::string_view(body.data(), body.size()), ec);
  if (ec || !value.is_object()) return internal_error(body);
  const auto& status = value.get_object();
  if (text(status, "status") == "Success") return {0, {}};
  const auto code = text(status, "reason") == "NonZeroExitCode" ? exit_code(status) : std::nullopt;
  return {code, std::string(text(status, "message"))};
}

std::string ExitStatus::to_json() const {
  if (success()) return R"({"metadata":{},"status":"Success"})";
  json::object o;
  o["metadata"] = json::object();
  o["status"] = "Failure";
  o["message"] = message;
  if (code) {
    o["reason"] = "NonZeroExitCode";
    o["details"] = json::object{
        {"causes", json::array{json::object{{"reason", "ExitCode"}, {"message", std::to_string(*code)}}}}};
  } else {
    o["reason"] = "InternalError";
    o["code"] = 500;
  }
  return json::serialize(o);
}

}  // namespace keelson::kubelet
