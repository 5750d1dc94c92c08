// decode_json(): from the text straight into the arena, led by the schema.
//
// Errors are Go's in kind and order: a wrong type is remembered (the first one counts) and decoding goes on;
// a value that a type's own parser refuses (quantity, time) stops it; a violation of JSON's grammar anywhere
// outranks both, as Go checks the whole text first.
#include <charconv>
#include <cstdlib>
#include <vector>

#include "api/field_error.h"
#include "api/json.h"
#include "api/json/base64.h"
#include "api/json/go_types.h"
#include "api/json/place.h"
#include "api/json/scanner.h"
#include "api/json/zero_item.h"
#include "api/quantity.h"

namespace keelson::api {

namespace {

using json::Scanner;

constexpr std::size_t kMaxStrictErrors = 100;
constexpr int kMaxDuplicates =
    1000;  // a map given again is merged each time: without a bound that is quadratic

class Decoder {
 public:
  Decoder(std::string_view text, Object& object, std::vector<std::string>& strict)
      : s_(text), text_(text), arena_(object.arena()), root_(object.root().data_mut()), strict_(strict) {}

  // Empty when all went well.
  std::string run() {
    const bool ok = root_value() && (s_.space(), s_.at_end());
    if (!ok || !stop_error_.empty()) {
      std::string syntax = json_syntax_error(text_);
      if (!syntax.empty()) return syntax;
      return stop_error_.empty() ? "unexpected end of JSON input" : stop_error_;
    }
    return type_error_;
  }

 private:
  bool root_value() {
    s_.space();
    if (s_.peek() == 'n') return s_.literal("null");
    if (s_.peek() == '{') return object(root_);
    type_error_ = "json: cannot unmarshal " + what_is_next() + " into Go value of type " +
                  std::string(root_->type->go_name);
    return s_.skip_value();
  }

  // ---- errors ----

  std::string what_is_next() const { return std::string(json::kind_of_value(s_.peek())); }

  // Remembers a wrong type and passes over the value.
  bool mismatch(std::string_view go_type) {
    if (type_error_.empty()) type_error_ = "json: cannot unmarshal " + what_is_next() + place_.into(go_type);
    return s_.skip_value();
  }
  bool bad_number(std::string_view number, std::string_view go_type) {
    if (type_error_.empty())
      type_error_ = "json: cannot unmarshal number " + std::string(number) + place_.into(go_type);
    return true;
  }
  // What a type's own parser refused: decoding ends here.
  bool stop(std::string error) {
    stop_error_ = std::move(error);
    return false;
  }

  void strict_error(std::string_view what, std::string_view name) {
    if (strict_.size() >= kMaxStrictErrors) return;
    std::string error = std::string(what) + " field " + field::go_quote(place_.strict_path(name));
    for (const std::string& seen : strict_)
      if (seen == error) return;
    strict_.push_back(std::move(error));
  }

  // ---- structure ----

  bool object(StructData* data) {
    const Type& type = *data->type;
    const std::span<const Field> fields = type.fields;
    std::uint64_t seen[4] = {};
    std::size_t next = 0;  // texts mostly follow the schema's order
    s_.advance();
    s_.space();
    if (s_.peek() == '}') return s_.advance(), true;
    for (;;) {
      std::string_view name;
      if (!s_.string(name, arena_) || !s_.expect(':')) return false;
      s_.space();
      const Field* field =
          next < fields.size() && fields[next].name == name ? &fields[next] : type.find(name);
      if (field == nullptr) {
        strict_error("unknown", name);
        if (!s_.skip_value()) return false;
      } else {
        std::uint64_t& bits = seen[(field->index >> 6) & 3];
        const std::uint64_t bit = std::uint64_t{1} << (field->index & 63);
        if ((bits & bit) != 0) {
          if (++duplicates_ > kMaxDuplicates) return stop("json: too many duplicate fields");
          strict_error("duplicate", name);
        }
        bits |= bit;
        place_.push_back({&type, field, -1, {}, false});
        if (!field_value(data->slots()[field->index], *field)) return false;
        place_.pop_back();
        next = field->index + 1u;
      }
      s_.space();
      const char c = s_.peek();
      if (c == '}') return s_.advance(), true;
      if (c != ',') return false;
      s_.advance();
      s_.space();
    }
  }

  bool field_value(Value& slot, const Field& field) {
    if (s_.peek() == 'n') {
      if (field.nullable() || field.scalar == Scalar::kTime || field.scalar == Scalar::kMicroTime ||
          field.scalar == Scalar::kQuantity)
        slot = Value{};
      return s_.literal("null");
    }
    switch (field.shape) {
      case Shape::kList:
        return list(slot, field);
      case Shape::kMap:
        return map(slot, field);
      case Shape::kSingle:
        break;
    }
    if (!scalar(slot, field)) return false;
    if (!field.pointer && slot.tag != Tag::kStruct && is_zero(field, slot)) slot = Value{};
    return true;
  }

  bool item(Value& out, const Field& field) {
    if (s_.peek() == 'n') {
      out = json::zero_item(arena_, field);
      return s_.literal("null");
    }
    return scalar(out, field);
  }

  bool list(Value& slot, const Field& field) {
    if (s_.peek() != '[') return mismatch(json::container_go_type(field));
    s_.advance();
    const std::size_t base = values_.size();
    s_.space();
    if (s_.peek() == ']') {
      s_.advance();
    } else {
      for (;;) {
        ++place_.back().index;
        Value value;
        s_.space();
        if (!item(value, field)) return false;
        values_.push_back(value);
        s_.space();
        const char c = s_.peek();
        if (c != ',' && c != ']') return false;
        s_.advance();
        if (c == ']') break;
      }
    }
    slot = Value::of(ListData::make(arena_, std::span<const Value>(values_).subspan(base)));
    values_.resize(base);
    return true;
  }

  bool map(Value& slot, const Field& field) {
    if (s_.peek() != '{') return mismatch(json::container_go_type(field));
    s_.advance();
    const std::size_t base = entries_.size();
    if (slot.tag == Tag::kMap)
      entries_.insert(entries_.end(), slot.m->entries, slot.m->entries + slot.m->size);
    const std::size_t own = entries_.size();
    s_.space();
    if (s_.peek() == '}') {
      s_.advance();
    } else {
      for (;;) {
        s_.space();
        std::string_view key;
        if (!s_.string(key, arena_) || !s_.expect(':')) return false;
        s_.space();
        key = arena_.copy(key);
        place_.back().in_map = true;
        place_.back().key = key;
        Value value;
        if (!item(value, field)) return false;
        entries_.push_back({key.data(), static_cast<std::uint32_t>(key.size()), value});
        s_.space();
        const char c = s_.peek();
        if (c != ',' && c != '}') return false;
        s_.advance();
        if (c == '}') break;
      }
    }
    place_.back().in_map = false;
    const std::span<MapEntry> entries = std::span<MapEntry>(entries_).subspan(base);
    const std::size_t read = entries_.size() - own;
    MapData* data = MapData::make(arena_, entries);
    if (data->size != entries.size() && read > 1) duplicate_keys(entries.subspan(own - base));
    slot = Value::of(data);
    entries_.resize(base);
    return true;
  }

  void duplicate_keys(std::span<const MapEntry> sorted) {
    for (std::size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i].key() == sorted[i - 1].key()) strict_error("duplicate", sorted[i].key());
  }

  // ---- values ----

  bool scalar(Value& out, const Field& field) {
    switch (field.scalar) {
      case Scalar::kString: {
        if (s_.peek() != '"') return mismatch(json::scalar_go_type(field));
        std::string_view text;
        if (!text_value(text)) return false;
        out = Value::of_string(text);
        return true;
      }
      case Scalar::kStruct:
        return struct_value(out, field);
      case Scalar::kBool:
        if (s_.peek() != 't' && s_.peek() != 'f') return mismatch(json::scalar_go_type(field));
        out = Value::of_bool(s_.peek() == 't');
        return s_.literal(out.as_bool() ? "true" : "false");
      case Scalar::kInt32:
        return integer(out, field, INT32_MIN, INT32_MAX);
      case Scalar::kInt64:
        return integer(out, field, INT64_MIN, INT64_MAX);
      case Scalar::kDouble:
        return real(out, field);
      case Scalar::kBytes:
        return bytes(out, field);
      case Scalar::kTime:
      case Scalar::kMicroTime:
        return time(out, field);
      case Scalar::kDuration:
        return duration(out, field);
      case Scalar::kQuantity:
        return quantity(out);
      case Scalar::kIntOrString:
        if (s_.peek() != '"') return own_integer(out);
        {
          std::string_view text;
          if (!text_value(text)) return false;
          out = Value::of_string(text);
          return true;
        }
      case Scalar::kFieldsV1:
      case Scalar::kRaw:
      case Scalar::kAny: {
        const char* start = s_.position();
        if (!s_.skip_value()) return false;
        out =
            Value::of_text(Tag::kRaw, arena_.copy({start, static_cast<std::size_t>(s_.position() - start)}));
        return true;
      }
    }
    return false;
  }

  // A string, copied into the arena.
  bool text_value(std::string_view& out) {
    if (!s_.string(out, arena_)) return false;
    if (out.data() >= text_.data() && out.data() <= text_.data() + text_.size()) out = arena_.copy(out);
    return true;
  }

  bool struct_value(Value& out, const Field& field) {
    if (field.type->wraps_list) {
      if (s_.peek() != '[') return mismatch(field.type->go_name);
      StructData* data = StructData::make(arena_, *field.type);
      out = Value::of(data);
      place_.push_back(place_.back());
      place_.back().index = -1;
      const bool ok = list(data->slots()[0], field.type->fields[0]);
      place_.pop_back();
      return ok;
    }
    if (s_.peek() != '{') return mismatch(field.type->go_name);
    // A field given twice is read on top of what is there, as Go does; items are always new.
    if (out.tag != Tag::kStruct) out = Value::of(StructData::make(arena_, *field.type));
    return object(out.s);
  }

  bool integer(Value& out, const Field& field, std::int64_t min, std::int64_t max) {
    const char c = s_.peek();
    if (c != '-' && (c < '0' || c > '9')) return mismatch(json::scalar_go_type(field));
    std::string_view text;
    bool whole = false;
    if (!s_.number(text, whole)) return false;
    std::int64_t n = 0;
    if (!whole || std::from_chars(text.data(), text.data() + text.size(), n).ec != std::errc() || n < min ||
        n > max)
      return bad_number(text, json::scalar_go_type(field));
    out = Value::of_int(n);
    return true;
  }

  // IntOrString reads its number with json.Unmarshal of its own: the first error ends everything.
  bool own_integer(Value& out) {
    const char c = s_.peek();
    if (c != '-' && (c < '0' || c > '9'))
      return stop("json: cannot unmarshal " + what_is_next() + place_.into("int32"));
    std::string_view text;
    bool whole = false;
    if (!s_.number(text, whole)) return false;
    std::int32_t n = 0;
    if (!whole || std::from_chars(text.data(), text.data() + text.size(), n).ec != std::errc())
      return stop("json: cannot unmarshal number " + std::string(text) + place_.into("int32"));
    out = Value::of_int(n);
    return true;
  }

  bool real(Value& out, const Field& field) {
    const char c = s_.peek();
    if (c != '-' && (c < '0' || c > '9')) return mismatch(json::scalar_go_type(field));
    std::string_view text;
    bool whole = false;
    if (!s_.number(text, whole)) return false;
    double d = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), d).ec != std::errc())
      return bad_number(text, json::scalar_go_type(field));
    out = Value::of_double(d);
    return true;
  }

  bool bytes(Value& out, const Field& field) {
    if (s_.peek() == '[') return byte_array(out);
    if (s_.peek() != '"') return mismatch(json::scalar_go_type(field));
    std::string_view text;
    if (!s_.string(text, arena_)) return false;
    char* data = arena_.alloc_text(text.size() / 4 * 3 + 3);
    std::size_t size = 0;
    std::size_t bad = 0;
    if (!json::decode_base64(text, data, size, bad)) {
      if (type_error_.empty()) type_error_ = "illegal base64 data at input byte " + std::to_string(bad);
      return true;
    }
    arena_.shrink_text(data, text.size() / 4 * 3 + 3, size);
    out = Value::of_text(Tag::kBytes, {data, size});
    return true;
  }

  // Go reads a []byte from an array of numbers too.
  bool byte_array(Value& out) {
    std::string data;
    s_.advance();
    s_.space();
    while (s_.peek() != ']') {
      s_.space();
      const char c = s_.peek();
      if (c == 'n') {
        if (!s_.literal("null")) return false;
        data.push_back('\0');
      } else if (c != '-' && (c < '0' || c > '9')) {
        if (!mismatch("uint8")) return false;
      } else {
        std::string_view text;
        bool whole = false;
        if (!s_.number(text, whole)) return false;
        unsigned n = 0;
        if (!whole || std::from_chars(text.data(), text.data() + text.size(), n).ec != std::errc() || n > 255)
          bad_number(text, "uint8");
        data.push_back(static_cast<char>(n));
      }
      s_.space();
      if (s_.peek() == ']') break;
      if (s_.peek() != ',') return false;
      s_.advance();
      s_.space();
      if (s_.peek() == ']') return false;
    }
    s_.advance();
    out = Value::of_text(Tag::kBytes, arena_.copy(data));
    return true;
  }

  bool time(Value& out, const Field& field) {
    if (s_.peek() != '"') return stop("json: cannot unmarshal " + what_is_next() + place_.into("string"));
    std::string_view text;
    if (!s_.string(text, arena_)) return false;
    const bool micro = field.scalar == Scalar::kMicroTime;
    std::optional<Time> t = micro ? parse_micro_time(text) : parse_time(text);
    if (!t) return stop(parse_time_error(text, micro));
    t->nanos = micro ? t->nanos / 1000 * 1000 : 0;
    out = Value::of_time(*t);
    return true;
  }

  bool duration(Value& out, const Field&) {
    if (s_.peek() != '"') return stop("json: cannot unmarshal " + what_is_next() + place_.into("string"));
    std::string_view text;
    if (!s_.string(text, arena_)) return false;
    const std::optional<std::int64_t> nanos = parse_duration(text);
    if (!nanos) return stop("time: invalid duration " + field::go_quote(text));
    out = Value::of_int(*nanos);
    return true;
  }

  bool quantity(Value& out) {
    std::string_view text;
    if (s_.peek() == '"') {
      if (!s_.string(text, arena_)) return false;
    } else {
      const char* start = s_.position();
      if (!s_.skip_value()) return false;
      text = {start, static_cast<std::size_t>(s_.position() - start)};
    }
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    const Result<std::string> q = Quantity::normalize(text);
    if (!q) return stop(q.error().message);
    out = Value::of_text(Tag::kQuantity, arena_.copy(*q));
    return true;
  }

  Scanner s_;
  std::string_view text_;
  Arena& arena_;
  StructData* root_;
  std::vector<std::string>& strict_;
  json::Place place_;
  std::vector<Value> values_;
  std::vector<MapEntry> entries_;
  int duplicates_ = 0;
  std::string type_error_;
  std::string stop_error_;
};

Result<Decoded> decode(std::string_view text, std::unique_ptr<Object> object) {
  Decoded out{std::move(object), {}};
  std::string error = Decoder(text, *out.object, out.strict_errors).run();
  if (!error.empty()) return fail(Code::kInvalidArgument, std::move(error));
  return out;
}

std::size_t arena_guess(std::string_view text) {
  return text.size() * 2 + 256;
}

}  // namespace

Result<Decoded> decode_json(std::string_view text, const KindInfo& kind) {
  return decode(text, Object::make(kind, arena_guess(text)));
}

Result<Decoded> decode_json(std::string_view text, const Type& type) {
  return decode(text, Object::make(type, arena_guess(text)));
}

Result<std::unique_ptr<Object>> parse_json(std::string_view text, const KindInfo& kind) {
  Result<Decoded> out = decode_json(text, kind);
  if (!out) return fail(std::move(out.error()));
  return std::move(out->object);
}

Result<std::unique_ptr<Object>> parse_json(std::string_view text, const Type& type) {
  Result<Decoded> out = decode_json(text, type);
  if (!out) return fail(std::move(out.error()));
  return std::move(out->object);
}

}  // namespace keelson::api
