#include "api/managed_fields/managed_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/managed_fields/diff.h"

namespace keelson::api {
namespace {

constexpr std::size_t kUpdateEntriesMax = 10;
constexpr std::size_t kManagerBytesMax = 128;
constexpr std::string_view kAncient = "ancient-changes";

std::unexpected<Error> bad(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

// Never tracked, in any kind.
const FieldSet& stripped_fields() {
  static const FieldSet set = [] {
    FieldSet s = FieldSet::of({"metadata"});
    for (std::string_view name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation",
                                  "managedFields", "resourceVersion"})
      s.merge(FieldSet::of({"metadata", name}));
    return s;
  }();
  return set;
}

// What a write to this (sub)resource cannot change, because the kind's preparation puts it back.
FieldSet reset_fields(const KindInfo& kind, std::string_view subresource) {
  const bool core = kind.group.empty();
  const bool cidr = kind.kind == "ServiceCIDR";
  if (!kind.subresource("status")) return {};
  if (subresource.empty()) return FieldSet::of({"status"});
  if (subresource == "finalize" && core && kind.kind == "Namespace") return FieldSet::of({"status"});
  if (subresource != "status") return {};
  FieldSet out = FieldSet::of({"spec"});
  if (core && kind.kind == "Pod") {
    out.merge(FieldSet::of({"metadata", "deletionTimestamp"}));
    out.merge(FieldSet::of({"metadata", "ownerReferences"}));
  } else if (kind.kind == "Deployment") {
    out.merge(FieldSet::of({"metadata", "labels"}));
  } else if (cidr) {
    out.merge(FieldSet::of({"metadata"}));
  }
  return out;
}

ManagedEntries::iterator find_writer(ManagedEntries& entries, const ManagedEntry& e) {
  return std::ranges::find_if(entries, [&](const ManagedEntry& x) { return x.same_writer(e); });
}

void drop_empty(ManagedEntries& entries) {
  std::erase_if(entries, [](const ManagedEntry& e) { return e.fields.empty(); });
}

std::int64_t seconds_of(const ManagedEntry& e) {
  return e.time ? e.time->seconds : 0;
}

// Merges the oldest Update entries until no more than ten are left; only entries of one version merge.
void cap_updates(ManagedEntries& entries) {
  std::vector<ManagedEntry*> order;
  for (ManagedEntry& e : entries)
    if (!e.applied) order.push_back(&e);
  std::size_t left = order.size();
  if (left <= kUpdateEntriesMax) return;
  std::ranges::sort(order, [](const ManagedEntry* a, const ManagedEntry* b) {
    return std::tuple(seconds_of(*a), std::string_view(a->manager), std::string_view(a->api_version),
                      std::string_view(a->subresource)) <
           std::tuple(seconds_of(*b), std::string_view(b->manager), std::string_view(b->api_version),
                      std::string_view(b->subresource));
  });
  std::map<std::string, ManagedEntry*> bucket_of;
  for (ManagedEntry* e : order) {
    if (left <= kUpdateEntriesMax) break;
    auto [it, first] = bucket_of.try_emplace(e->api_version, e);
    if (first) continue;
    ManagedEntry& bucket = *it->second;
    bucket.fields.merge(std::move(e->fields));
    bucket.manager = kAncient;
    bucket.subresource.clear();
    bucket.time = e->time;
    e->fields = FieldSet();
    --left;
  }
  drop_empty(entries);
}

// What the new object says about its managedFields counts, unless it says nothing or nonsense.
ManagedEntries entries_before(const Object* live, const Object& next, std::string_view subresource) {
  const auto of = [](meta_v1::ObjectMeta meta) {
    return read_managed_fields(meta).value_or(ManagedEntries());
  };
  const ManagedEntries from_live = live ? of(live->meta()) : ManagedEntries();
  if (!subresource.empty()) return from_live;
  const auto given = next.meta().managed_fields();
  if (next.meta().has_managed_fields() && given.empty()) return {};
  if (given.size() == 1) {
    const meta_v1::ManagedFieldsEntry e = given[0];
    if (e.manager().empty() && e.operation().empty() && e.api_version().empty() && !e.has_time() &&
        e.fields_type().empty() && !e.has_fields_v1() && e.subresource().empty())
      return {};
  }
  auto decoded = read_managed_fields(next.meta());
  if (!decoded || decoded->empty()) return from_live;
  return *std::move(decoded);
}

void take_fields(ManagedEntries& entries, const FieldDiff& diff, FieldSet taken, const UpdateWriter& writer,
                 std::string_view api_version) {
  for (ManagedEntry& e : entries) {
    e.fields.subtract(diff.modified);
    e.fields.subtract(diff.added);
    e.fields.subtract(diff.removed);
  }
  drop_empty(entries);
  if (taken.empty()) return;
  ManagedEntry mine{std::string(writer.manager), false,
                    std::string(api_version),    std::string(writer.subresource),
                    Time{writer.now.seconds, 0}, std::move(taken)};
  if (auto it = find_writer(entries, mine); it != entries.end()) {
    mine.fields.merge(std::move(it->fields));
    *it = std::move(mine);
  } else {
    entries.push_back(std::move(mine));
  }
}

}  // namespace

bool ManagedEntry::same_writer(const ManagedEntry& o) const {
  return manager == o.manager && applied == o.applied && subresource == o.subresource &&
         (applied || api_version == o.api_version);
}

Result<ManagedEntries> read_managed_fields(meta_v1::ObjectMeta meta) {
  ManagedEntries out;
  std::size_t i = 0;
  for (const meta_v1::ManagedFieldsEntry e : meta.managed_fields()) {
    ManagedEntry entry;
    if (e.operation() != "Apply" && e.operation() != "Update")
      return bad("operation must be `Apply` or `Update`");
    if (e.api_version().empty()) return bad("apiVersion must not be empty");
    if (e.fields_type().empty()) return bad(fmt::format("missing fieldsType in managed fields entry {}", i));
    if (e.fields_type() != "FieldsV1")
      return bad(fmt::format("invalid fieldsType \"{}\" in managed fields entry {}", e.fields_type(), i));
    entry.manager = e.manager();
    entry.applied = e.operation() == "Apply";
    entry.api_version = e.api_version();
    entry.subresource = e.subresource();
    if (e.has_time()) entry.time = e.time();
    entry.fields = TRY(FieldSet::parse(e.fields_v1()));
    if (auto it = find_writer(out, entry); it != out.end()) {
      *it = std::move(entry);
    } else {
      out.push_back(std::move(entry));
    }
    ++i;
  }
  return out;
}

void write_managed_fields(meta_v1::ObjectMetaMut meta, ManagedEntries entries) {
  meta.clear_managed_fields();
  std::ranges::sort(entries, [](const ManagedEntry& a, const ManagedEntry& b) {
    if (a.applied != b.applied) return a.applied;
    if (seconds_of(a) != seconds_of(b)) return seconds_of(a) < seconds_of(b);
    return std::tie(a.manager, a.api_version, a.subresource) <
           std::tie(b.manager, b.api_version, b.subresource);
  });
  for (const ManagedEntry& e : entries) {
    meta_v1::ManagedFieldsEntryMut out = meta.add_managed_fields();
    out.set_manager(e.manager);
    out.set_operation(e.applied ? "Apply" : "Update");
    out.set_api_version(e.api_version);
    if (e.time) out.set_time(*e.time);
    out.set_fields_type("FieldsV1");
    out.set_fields_v1(e.fields.to_json());
    out.set_subresource(e.subresource);
  }
}

std::string manager_of(std::string_view field_manager, std::string_view user_agent) {
  if (!field_manager.empty()) return std::string(field_manager);
  std::string out;
  for (std::size_t i = 0; i < user_agent.size() && user_agent[i] != '/';) {
    const unsigned char c = static_cast<unsigned char>(user_agent[i]);
    const std::size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (out.size() + n > kManagerBytesMax) break;
    if (c >= 0x20 && c != 0x7f) out += user_agent.substr(i, n);
    i += n;
  }
  return out;
}

void track_update(const Object* live, Object& next, const UpdateWriter& writer) {
  ManagedEntries entries = entries_before(live, next, writer.subresource);
  if (!entries.empty() || live == nullptr || live->uid().empty()) {
    const KindInfo& kind = *next.kind();
    FieldDiff diff = diff_fields(next.type(), live ? live->root() : StructRef(), next.root());
    // What this write cannot change is nobody's loss either.
    const FieldSet reset = reset_fields(kind, writer.subresource);
    for (FieldSet* set : {&diff.added, &diff.modified, &diff.removed}) set->subtract_recursive(reset);
    FieldSet taken = diff.added;
    taken.merge(diff.modified);
    taken.subtract(stripped_fields());
    take_fields(entries, diff, std::move(taken), writer, kind.api_version);
    cap_updates(entries);
  }
  write_managed_fields(next.mutable_meta(), std::move(entries));
}

void ignore_managed_times(const Object& live, Object& next) {
  const auto before = live.meta().managed_fields(), after = next.meta().managed_fields();
  if (before.size() != after.size() || after.empty()) return;
  bool times_differ = false;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const meta_v1::ManagedFieldsEntry a = before[i], b = after[i];
    if (a.manager() != b.manager() || a.operation() != b.operation() || a.api_version() != b.api_version() ||
        a.subresource() != b.subresource() || a.fields_v1() != b.fields_v1())
      return;
    times_differ |= a.has_time() != b.has_time() || a.time() != b.time();
  }
  if (!times_differ) return;
  const FieldDiff diff = diff_fields(next.type(), live.root(), next.root());
  FieldSet ignored = FieldSet::of({"metadata", "managedFields"});
  if (!diff.added.empty() || !diff.removed.empty() || !diff.modified.difference(ignored).empty()) return;
  next.mutable_meta().set_managed_fields(before);
}

void track_scale(const Object& live, Object& next, const UpdateWriter& writer) {
  const PathElement path[] = {PathElement::field("spec"), PathElement::field("replicas")};
  const FieldSet replicas = FieldSet::of({"spec", "replicas"});
  ManagedEntries entries = read_managed_fields(live.meta()).value_or(ManagedEntries());
  const auto owns = [&](const ManagedEntry& e) { return e.fields.has(path); };
  const auto replicas_of = [](const Object& o) {
    return StructRef(o.root().find("spec").as_struct()).find("replicas").as_int();
  };
  const std::int64_t wanted = replicas_of(next);
  if (replicas_of(live) != wanted && std::ranges::any_of(entries, owns)) {
    for (ManagedEntry& e : entries)
      if (owns(e)) e.fields.subtract(replicas);
    drop_empty(entries);
    // A Scale leaves zero replicas out, so then nobody owns them.
    if (wanted != 0)
      entries.push_back({std::string(writer.manager), false, std::string(live.kind()->api_version),
                         std::string(writer.subresource), std::nullopt, replicas});
  }
  write_managed_fields(next.mutable_meta(), std::move(entries));
}

}  // namespace keelson::api
