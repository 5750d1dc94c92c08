#include "kvstore/server/etcd/http_endpoints.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "kvstore/server/etcd/process_metrics.h"

namespace keelson::kvstore::etcd {
namespace {

using net::Exchange;
using net::Headers;

const std::vector<std::string>& ready_checks() {
  static const std::vector<std::string> kNames{"data_corruption", "serializable_read", "linearizable_read",
                                               "non_learner"};
  return kNames;
}

std::string_view alarm_name(AlarmType t) {
  switch (t) {
    case AlarmType::kNone:
      return "NONE";
    case AlarmType::kNoSpace:
      return "NOSPACE";
    case AlarmType::kCorrupt:
      return "CORRUPT";
  }
  return "UNKNOWN";
}

Task<> plain(Exchange& x, int status, std::string body, std::string type = "text/plain; charset=utf-8") {
  (void)co_await x.respond(status, {{"content-type", std::move(type)}, {"x-content-type-options", "nosniff"}},
                           Bytes(std::move(body)));
}

Task<> method_not_allowed(Exchange& x) {
  (void)co_await x.respond(405, {{"allow", "GET"}, {"content-type", "text/plain; charset=utf-8"}},
                           Bytes::literal("Method Not Allowed\n"));
}

std::vector<std::string> query_set(const Exchange& x, std::string_view name) {
  std::vector<std::string> out;
  for (auto& [k, v] : net::parse_query(const_cast<Exchange&>(x).request().query())) {
    if (k == name && !v.empty()) out.push_back(v);
  }
  return out;
}
bool has_query(Exchange& x, std::string_view name) {
  return std::ranges::any_of(net::parse_query(x.request().query()), [&](auto& q) { return q.first == name; });
}
bool contains(const std::vector<std::string>& v, std::string_view s) {
  return std::ranges::find(v, s) != v.end();
}

}  // namespace

Task<Result<void>> HttpEndpoints::read(bool serializable) {
  RangeRequest r;
  r.key.assign(1, '\0');
  r.limit = 1;
  r.keys_only = true;
  r.serializable = serializable;
  auto result = co_await c_.member.range(std::move(r), Identity::internal());
  if (!result) co_return std::unexpected(result.error());
  co_return Result<void>();
}

Task<Result<void>> HttpEndpoints::check(std::string name) {
  if (name == "serializable_read") co_return co_await read(true);
  if (name == "linearizable_read") co_return co_await read(false);
  if (name == "non_learner") {
    if (c_.member.is_learner()) co_return fail(Code::kFailedPrecondition, "not supported for learner");
    co_return Result<void>();
  }
  const auto alarms = CO_TRY(co_await c_.member.alarms());
  for (const Alarm& a : alarms) {
    if (a.type == AlarmType::kCorrupt) co_return fail(Code::kDataLoss, "alarm activated: CORRUPT");
  }
  co_return Result<void>();
}

Task<> HttpEndpoints::health(Exchange& x) {
  const auto excluded = query_set(x, "exclude");
  const bool serializable = contains(query_set(x, "serializable"), "true");
  std::string reason;
  auto alarms = co_await c_.member.alarms();
  if (alarms) {
    for (const Alarm& a : *alarms) {
      if (!reason.empty() || contains(excluded, alarm_name(a.type))) continue;
      reason = "ALARM " + std::string(alarm_name(a.type));
    }
  }
  if (reason.empty() && !serializable && c_.member.leader() == 0) reason = "RAFT NO LEADER";
  if (reason.empty()) {
    if (auto r = co_await read(serializable); !r) reason = "RANGE ERROR:" + r.error().message;
  }
  metrics_.note_health(reason.empty());
  std::string body = R"({"health":")" + std::string(reason.empty() ? "true" : "false") + R"(","reason":)";
  append_json_string(body, reason);
  body += '}';
  if (!reason.empty()) {
    c_.logger.warn("/health error", {{"output", body}, {"status-code", 503}});
    body += '\n';
    co_return co_await plain(x, 503, std::move(body));
  }
  co_await plain(x, 200, std::move(body));
}

Task<> HttpEndpoints::checks(Exchange& x, std::string type, std::vector<std::string> names, bool root) {
  const auto excluded = root ? query_set(x, "exclude") : std::vector<std::string>();
  std::string text;
  bool good = true;
  for (const auto& name : names) {
    if (contains(excluded, name)) continue;
    const auto r = co_await check(name);
    metrics_.note_check(type, name, r.has_value());
    if (r) {
      text += "[+]" + name + " ok\n";
    } else {
      good = false;
      text += "[-]" + name + " failed: " + r.error().message + "\n";
    }
  }
  if (!good) {
    c_.logger.error("Health check error", {{"path", "/" + type}, {"reason", text}, {"status-code", 503}});
    co_return co_await plain(x, 503, text + "\n");
  }
  co_await plain(x, 200, (has_query(x, "verbose") ? text : std::string()) + "ok\n");
}

std::string HttpEndpoints::metrics_text() const {
  auto families = registry_ != nullptr ? registry_->Collect() : std::vector<prometheus::MetricFamily>();
  std::ranges::move(metrics_.Collect(), std::back_inserter(families));
  std::ranges::move(process_metrics(), std::back_inserter(families));
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  return prometheus::TextSerializer().Serialize(families);
}

Task<> HttpEndpoints::handle(Exchange& x) {
  const std::string path(x.request().path());
  const std::string& method = x.request().method;
  const bool known = path == "/health" || path == "/metrics" || path.starts_with("/livez") ||
                     path.starts_with("/readyz") ||
                     (!metrics_only_ && (path == "/version" || path == "/debug/vars"));
  if (known && method != "GET" && !(path == "/metrics" && method == "HEAD")) {
    co_return co_await method_not_allowed(x);
  }
  if (path == "/health") co_return co_await health(x);
  if (path == "/metrics") {
    co_return co_await plain(x, 200, metrics_text(), "text/plain; version=0.0.4; charset=utf-8");
  }
  if (path == "/livez") co_return co_await checks(x, "livez", {"serializable_read"}, true);
  if (path == "/livez/serializable_read") {
    co_return co_await checks(x, "livez", {"serializable_read"}, false);
  }
  if (path == "/readyz") co_return co_await checks(x, "readyz", ready_checks(), true);
  if (path.starts_with("/readyz/") && contains(ready_checks(), path.substr(8))) {
    co_return co_await checks(x, "readyz", {path.substr(8)}, false);
  }
  if (known && path == "/version") {
    co_return co_await plain(x, 200,
                             R"({"etcdserver":")" + std::string(kServerVersion) + R"(","etcdcluster":")" +
                                 std::string(kClusterVersion) + R"(","storage":")" +
                                 std::string(kClusterVersion) + R"("})",
                             "application/json");
  }
  if (known && path == "/debug/vars") {
    co_return co_await plain(x, 200, "{\n\"cmdline\": [\"keelson\"]\n}\n", "application/json; charset=utf-8");
  }
  co_await plain(x, 404, "404 page not found\n");
}

}  // namespace keelson::kvstore::etcd
