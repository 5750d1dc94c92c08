// get and list: from the watch cache, or from the store where an old resourceVersion or a continue token asks for the past.
#include <fmt/format.h>

#include "apiserver/continue_token.h"
#include "apiserver/errors.h"
#include "apiserver/filter.h"
#include "apiserver/object_meta.h"
#include "apiserver/registry.h"

namespace keelson::apiserver {
namespace {

constexpr Duration kFreshnessWait = std::chrono::seconds(3);
constexpr std::string_view kExpiredContinue =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list.";

VersionPtr served(const Resource& resource, const VersionPtr& stored) {
  if (!resource.from_stored || !stored) return stored;
  return make_version(api::freeze(resource.from_stored(*stored->object(), *resource.kind)), stored->revision());
}

}  // namespace

Task<Result<VersionPtr>> Registry::get(const Resource& resource, std::string ns, std::string name,
                                       std::string resource_version) {
  VersionPtr found;
  if (resource_version.empty()) {
    found = CO_TRY(co_await storage().get(resource, ns, name));
  } else {
    auto revision = parse_resource_version(resource_version);
    if (!revision)
      co_return fail(errors::plain_internal(fmt::format("resourceVersion: Invalid value: \"{}\": {}", resource_version,
                                                        revision.error().message)));
    if (!storage().cache().fresh(*revision)) {
      if (auto ok = co_await storage().cache().wait_for(*revision, kFreshnessWait); !ok)
        co_return fail(errors::too_large_resource_version(*revision, storage().cache().applied()));
    }
    found = resource.cache->get(resource.cache_key(ns, name));
  }
  if (!found) co_return fail(errors::not_found(resource, name));
  co_return served(resource, found);
}

Task<Result<ListResult>> Registry::list(const Resource& resource, std::string ns, std::string name, ListOptions o) {
  auto filter = CO_TRY(Filter::make(*resource.kind, ns, name, o));
  const std::string relative = ns.empty() ? "" : ns + "/";
  const std::string prefix = resource.cache->prefix() + relative;
  std::int64_t revision = 0;
  if (!o.resource_version.empty()) {
    auto parsed = parse_resource_version(o.resource_version);
    if (!parsed)
      co_return fail(errors::bad_request(fmt::format("invalid resource version: resourceVersion: Invalid value: \"{}\": {}",
                                                     o.resource_version, parsed.error().message)));
    revision = *parsed;
  }
  std::optional<ContinueToken> token;
  if (!o.continue_token.empty()) {
    auto decoded = decode_continue(prefix, o.continue_token);
    if (!decoded) co_return fail(errors::bad_request("invalid continue token: " + decoded.error().message));
    if (!o.resource_version.empty() && o.resource_version != "0")
      co_return fail(errors::bad_request("specifying resource version is not allowed when using continue"));
    token = *decoded;
  }
  const bool exact = o.resource_version_match == "Exact" ||
                     (o.resource_version_match.empty() && o.limit > 0 && revision > 0 && !token);
  ListResult out;

  if ((token && token->revision > 0) || exact) {  // the past: from the store
    const std::int64_t at = token ? token->revision : revision;
    if (!token && at > storage().cache().applied()) {
      if (auto ok = co_await storage().cache().wait_for(at, kFreshnessWait); !ok)
        co_return fail(errors::too_large_resource_version(at, storage().cache().applied()));
    }
    std::string start = token ? token->start_key : prefix;
    std::int64_t total_left = 0;
    for (bool first = true;; first = false) {
      auto page = co_await storage().history(resource, prefix, start, at, o.limit);
      if (!page) {
        if (page.error().code != Code::kOutOfRange) co_return fail(errors::from_store(page.error()));
        if (token)
          co_return fail(errors::expired(std::string(kExpiredContinue), encode_continue(prefix, token->start_key, -1)));
        co_return fail(errors::expired(
            fmt::format("The resourceVersion for the provided list is too old.")));
      }
      if (first) total_left = page->remaining;
      out.revision = page->revision;
      std::size_t used = 0;
      for (auto& item : page->items) {
        ++used;
        VersionPtr version = served(resource, item);
        if (filter.matches(*version->object())) out.items.push_back(version);
        if (o.limit > 0 && static_cast<std::int64_t>(out.items.size()) == o.limit) break;
      }
      const bool full = o.limit > 0 && static_cast<std::int64_t>(out.items.size()) == o.limit;
      if (full && used < page->items.size()) {
        auto& last = page->items[used - 1];
        page->next_key = resource.key(last->object()->namespace_(), last->object()->name()) + '\0';
      }
      if (page->next_key.empty()) co_return out;
      if (full) {
        out.continue_token = encode_continue(prefix, page->next_key, page->revision);
        if (filter.is_everything()) out.remaining = total_left;
        co_return out;
      }
      start = page->next_key;
    }
  }

  if (revision > 0) {
    if (!storage().cache().fresh(revision)) {
      if (auto ok = co_await storage().cache().wait_for(revision, kFreshnessWait); !ok)
        co_return fail(errors::too_large_resource_version(revision, storage().cache().applied()));
    }
  } else if (o.resource_version.empty() && !storage().fresh()) {
    if (auto ok = co_await storage().catch_up(); !ok) co_return fail(errors::from_store(ok.error()));
  }
  if (!filter.name().empty() && (!resource.kind->namespaced || !ns.empty())) {  // one name: no scan
    out.revision = storage().cache().applied();
    VersionPtr only = served(resource, resource.cache->get(resource.cache_key(ns, filter.name())));
    if (only && filter.matches(*only->object())) out.items.push_back(std::move(only));
    co_return out;
  }
  auto snapshot = resource.cache->list(relative);
  out.revision = snapshot.revision;
  // resourceVersion=0 asks for whatever is there, whole.
  const std::int64_t limit = o.resource_version == "0" && !token ? 0 : o.limit;
  auto key_of = [&](const VersionPtr& v) { return resource.key(v->object()->namespace_(), v->object()->name()); };
  if (limit <= 0 && !token && filter.is_everything() && !resource.from_stored) {
    out.items = std::move(snapshot.items);
    co_return out;
  }
  std::size_t begin = 0;
  if (token)
    while (begin < snapshot.items.size() && key_of(snapshot.items[begin]) < token->start_key) ++begin;
  for (std::size_t i = begin; i < snapshot.items.size(); ++i) {
    VersionPtr version = served(resource, snapshot.items[i]);
    if (!filter.matches(*version->object())) continue;
    out.items.push_back(std::move(version));
    if (limit > 0 && static_cast<std::int64_t>(out.items.size()) == limit && i + 1 < snapshot.items.size()) {
      out.continue_token = encode_continue(prefix, key_of(snapshot.items[i]) + '\0', snapshot.revision);
      if (filter.is_everything()) out.remaining = static_cast<std::int64_t>(snapshot.items.size() - i - 1);
      break;
    }
  }
  co_return out;
}

}  // namespace keelson::apiserver
