// decode_protobuf() and the envelope's reading side.
#include <vector>

#include "api/json.h"
#include "api/protobuf.h"
#include "base/wire.h"

namespace keelson::api {

namespace {

using wire::Reader;

constexpr int kMaxDepth = 100;  // as protobuf libraries have it; the built-in schema needs 20

// How often a repeated field may go on after another one stood between: each time costs a copy, and no
// encoder does it.
constexpr int kMaxResumed = 1000;

std::int32_t to_int32(std::int64_t v) {
  return static_cast<std::int32_t>(v);
}

class Decoder {
 public:
  explicit Decoder(Arena& arena) : arena_(arena) {}

  bool message(std::string_view bytes, StructData* data) { return fields(bytes, data, data->type->proto, 0); }

 private:
  // The fields of one message into `data`; `group` says which fields it has.
  bool fields(std::string_view bytes, StructData* data, const ProtoGroup& group, int depth) {
    if (depth > kMaxDepth) return false;
    Reader r(bytes);
    std::size_t hint = 0;
    // The list being gathered: repeated fields mostly stand together.
    const Field* gathering = nullptr;
    const std::size_t base = values_.size(), map_base = entries_.size();
    const auto finish = [&] {
      if (gathering == nullptr) return;
      Value& slot = data->slots()[gathering->index];
      if (gathering->shape == Shape::kList) {
        slot = Value::of(ListData::make(arena_, std::span<const Value>(values_).subspan(base)));
        values_.resize(base);
      } else {
        slot = Value::of(MapData::make(arena_, std::span<MapEntry>(entries_).subspan(map_base)));
        entries_.resize(map_base);
      }
      gathering = nullptr;
    };
    while (r.next()) {
      const ProtoEntry* entry = find(group, r.field(), hint);
      if (entry == nullptr) continue;
      if (entry->field < 0) {
        finish();
        const std::string_view inner = r.bytes();
        if (!r.ok() || !fields(inner, data, *entry->group, depth + 1)) return false;
        continue;
      }
      const Field& field = data->type->fields[static_cast<std::size_t>(entry->field)];
      Value& slot = data->slots()[field.index];
      if (field.shape == Shape::kSingle) {
        finish();
        if (!value(r, field, slot, depth)) return false;
        if (!field.pointer && slot.tag != Tag::kStruct && is_zero(field, slot)) slot = Value{};
        continue;
      }
      if (gathering != &field) {
        finish();
        gathering = &field;
        if (!slot.absent() && ++resumed_ > kMaxResumed) return false;
        if (slot.tag == Tag::kList)
          values_.insert(values_.end(), slot.l->items, slot.l->items + slot.l->size);
        if (slot.tag == Tag::kMap)
          entries_.insert(entries_.end(), slot.m->entries, slot.m->entries + slot.m->size);
      }
      if (field.shape == Shape::kList ? !list_item(r, field, depth) : !map_entry(r, field, depth))
        return false;
    }
    if (!r.ok()) return false;
    finish();
    return true;
  }

  static const ProtoEntry* find(const ProtoGroup& group, std::uint32_t number, std::size_t& hint) {
    const auto& entries = group.entries;
    // Fields come in ascending order mostly: go on where the last one was found.
    for (std::size_t i = hint; i < entries.size() && entries[i].number <= number; ++i)
      if (entries[i].number == number) return hint = i, &entries[i];
    for (std::size_t i = 0; i < entries.size() && entries[i].number <= number; ++i)
      if (entries[i].number == number) return hint = i, &entries[i];
    return nullptr;
  }

  static bool is_varint(Scalar scalar) {
    return scalar == Scalar::kBool || scalar == Scalar::kInt32 || scalar == Scalar::kInt64;
  }

  bool list_item(Reader& r, const Field& field, int depth) {
    if (is_varint(field.scalar) && r.type() == wire::Type::kBytes) return packed(r.bytes(), field);
    const std::size_t at = values_.size();
    values_.push_back(Value{});
    Value out;
    if (!value(r, field, out, depth)) return false;
    values_[at] = out;
    return true;
  }

  bool packed(std::string_view bytes, const Field& field) {
    std::uint64_t v = 0;
    int shift = 0;
    for (const char c : bytes) {
      if (shift > 63) return false;
      v |= std::uint64_t{static_cast<unsigned char>(c) & 0x7fu} << shift;
      shift += 7;
      if ((c & 0x80) != 0) continue;
      values_.push_back(varint_value(field, v));
      v = 0;
      shift = 0;
    }
    return shift == 0;
  }

  static Value varint_value(const Field& field, std::uint64_t v) {
    if (field.scalar == Scalar::kBool) return Value::of_bool(v != 0);
    const auto n = static_cast<std::int64_t>(v);
    return Value::of_int(field.scalar == Scalar::kInt32 ? to_int32(n) : n);
  }

  bool map_entry(Reader& r, const Field& field, int depth) {
    Reader entry(r.bytes());
    std::string_view key;
    Value v;
    while (entry.next()) {
      if (entry.field() == 1) {
        key = entry.bytes();
      } else if (entry.field() == 2) {
        if (!value(entry, field, v, depth)) return false;
      }
    }
    if (!r.ok() || !entry.ok()) return false;
    key = arena_.copy(key);
    if (v.absent()) v = empty_value(field);
    entries_.push_back({key.data(), static_cast<std::uint32_t>(key.size()), v});
    return true;
  }

  // The value of a map entry that came without one.
  Value empty_value(const Field& field) {
    switch (field.scalar) {
      case Scalar::kStruct:
        return Value::of(StructData::make(arena_, *field.type));
      case Scalar::kString:
        return Value::of_string({});
      case Scalar::kBytes:
        return Value::of_text(Tag::kBytes, {});
      case Scalar::kQuantity:
        return Value::of_text(Tag::kQuantity, "0");
      case Scalar::kBool:
        return Value::of_bool(false);
      default:
        return Value::of_int(0);
    }
  }

  bool value(Reader& r, const Field& field, Value& out, int depth) {
    switch (field.scalar) {
      case Scalar::kBool:
      case Scalar::kInt32:
      case Scalar::kInt64: {
        const std::uint64_t v = r.uint();
        out = varint_value(field, v);
        return r.ok();
      }
      case Scalar::kDouble:
        out = Value::of_double(r.real());
        return r.ok();
      case Scalar::kString:
      case Scalar::kBytes: {
        const std::string_view text = r.bytes();
        out = Value::of_text(field.scalar == Scalar::kString ? Tag::kString : Tag::kBytes, arena_.copy(text));
        return r.ok();
      }
      case Scalar::kStruct: {
        const std::string_view inner = r.bytes();
        if (!r.ok()) return false;
        if (out.tag != Tag::kStruct) out = Value::of(StructData::make(arena_, *field.type));
        return fields(inner, out.s, field.type->proto, depth + 1);
      }
      default: {
        const std::string_view inner = r.bytes();
        return r.ok() && special(inner, field, out);
      }
    }
  }

  // Messages that are no structs to us.
  bool special(std::string_view bytes, const Field& field, Value& out) {
    Reader r(bytes);
    switch (field.scalar) {
      case Scalar::kTime:
      case Scalar::kMicroTime: {
        Time t;
        if (!bytes.empty()) t.seconds = 0;
        while (r.next()) {
          if (r.field() == 1)
            t.seconds = r.sint();
          else if (r.field() == 2)
            t.nanos = to_int32(r.sint());
        }
        if (t.nanos < 0 || t.nanos > 999'999'999) return false;
        // Go formats years 0 to 9999 only.
        if (t.seconds < -62167219200 || t.seconds > 253402300799) return false;
        t.nanos = field.scalar == Scalar::kTime ? 0 : t.nanos / 1000 * 1000;
        out = Value::of_time(t);
        return r.ok();
      }
      case Scalar::kDuration: {
        std::int64_t nanos = 0;
        while (r.next())
          if (r.field() == 1) nanos = r.sint();
        out = Value::of_int(nanos);
        return r.ok();
      }
      case Scalar::kQuantity: {
        std::string_view text = "0";
        while (r.next())
          if (r.field() == 1) text = r.bytes();
        if (!r.ok()) return false;
        const Result<std::string> q = Quantity::normalize(text.empty() ? "0" : text);
        if (!q) return false;
        out = Value::of_text(Tag::kQuantity, arena_.copy(*q));
        return true;
      }
      case Scalar::kIntOrString: {
        std::int64_t type = 0, number = 0;
        std::string_view text;
        while (r.next()) {
          if (r.field() == 1)
            type = r.sint();
          else if (r.field() == 2)
            number = r.sint();
          else if (r.field() == 3)
            text = r.bytes();
        }
        out = type == 1 ? Value::of_string(arena_.copy(text)) : Value::of_int(to_int32(number));
        return r.ok();
      }
      case Scalar::kFieldsV1:
      case Scalar::kRaw: {
        bool present = false;
        std::string_view raw;
        while (r.next())
          if (r.field() == 1) {
            raw = r.bytes();
            present = true;
          }
        if (present)
          out = Value::of_text(Tag::kRaw, arena_.copy(raw));
        else if (field.pointer)
          out = Value::of_text(Tag::kRaw, "null");
        return r.ok();
      }
      default:
        return false;
    }
  }

  Arena& arena_;
  std::vector<Value> values_;
  std::vector<MapEntry> entries_;
  int resumed_ = 0;
};

Result<std::unique_ptr<Object>> decode(std::string_view message, std::unique_ptr<Object> object) {
  if (!Decoder(object->arena()).message(message, object->root().data_mut()))
    return fail(Code::kInvalidArgument, "malformed protobuf of " + std::string(object->type().go_name));
  return object;
}

std::size_t arena_guess(std::string_view message) {
  return message.size() * 4 + 256;
}

}  // namespace

Result<std::unique_ptr<Object>> decode_protobuf(std::string_view message, const KindInfo& kind) {
  return decode(message, Object::make(kind, arena_guess(message)));
}

Result<std::unique_ptr<Object>> decode_protobuf(std::string_view message, const Type& type) {
  return decode(message, Object::make(type, arena_guess(message)));
}

bool has_envelope(std::string_view bytes) {
  return bytes.starts_with(kProtobufMagic);
}

Result<Envelope> open_envelope(std::string_view bytes) {
  if (!has_envelope(bytes))
    return fail(Code::kInvalidArgument,
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  Envelope out;
  Reader r(bytes.substr(kProtobufMagic.size()));
  while (r.next()) {
    switch (r.field()) {
      case 1: {
        Reader meta(r.bytes());
        while (meta.next()) {
          if (meta.field() == 1)
            out.api_version = meta.bytes();
          else if (meta.field() == 2)
            out.kind = meta.bytes();
        }
        if (!meta.ok()) return fail(Code::kInvalidArgument, "malformed protobuf envelope");
        break;
      }
      case 2:
        out.raw = r.bytes();
        break;
      case 3:
        out.content_encoding = r.bytes();
        break;
      case 4:
        out.content_type = r.bytes();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return fail(Code::kInvalidArgument, "malformed protobuf envelope");
  return out;
}

Result<std::unique_ptr<Object>> decode_stored(std::string_view bytes, const KindInfo& kind) {
  if (!has_envelope(bytes)) return parse_json(bytes, kind);
  const Envelope envelope = TRY(open_envelope(bytes));
  return decode_protobuf(envelope.raw, kind);
}

}  // namespace keelson::api
