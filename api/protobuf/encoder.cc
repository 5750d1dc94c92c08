// encode_protobuf(): written from the back to the front, so that each message's length is known when its tag
// is written and no size has to be counted beforehand (as upstream's generated code does).
#include <bit>
#include <cstring>

#include "api/protobuf.h"
#include "base/wire.h"

namespace keelson::api {

namespace {

// A buffer that grows towards its front.
class BackWriter {
 public:
  explicit BackWriter(std::size_t room) : buffer_(room, '\0'), at_(room) {}

  std::size_t written() const { return buffer_.size() - at_; }
  std::string_view view() const { return std::string_view(buffer_).substr(at_); }
  // The buffer with what was written at its end; take view() of it.
  void bytes(std::string_view text) {
    reserve(text.size());
    at_ -= text.size();
    if (!text.empty()) std::memcpy(buffer_.data() + at_, text.data(), text.size());
  }
  void varint(std::uint64_t v) {
    reserve(10);
    const std::size_t n = wire::varint_size(v);
    at_ -= n;
    char* p = buffer_.data() + at_;
    for (; v >= 0x80; v >>= 7) *p++ = static_cast<char>(v | 0x80);
    *p = static_cast<char>(v);
  }
  void fixed64(std::uint64_t v) {
    char text[8];
    for (int i = 0; i < 8; ++i) text[i] = static_cast<char>(v >> (8 * i));
    bytes({text, 8});
  }
  void tag(std::uint32_t number, wire::Type type) {
    varint(std::uint64_t{number} << 3 | static_cast<std::uint64_t>(type));
  }
  // After the content of a submessage, written when `before` bytes were there.
  void close(std::uint32_t number, std::size_t before) {
    varint(written() - before);
    tag(number, wire::Type::kBytes);
  }
  void text_field(std::uint32_t number, std::string_view text) {
    bytes(text);
    varint(text.size());
    tag(number, wire::Type::kBytes);
  }
  void varint_field(std::uint32_t number, std::int64_t v) {
    varint(static_cast<std::uint64_t>(v));
    tag(number, wire::Type::kVarint);
  }

 private:
  void reserve(std::size_t n) {
    if (n <= at_) return;
    const std::size_t grown = buffer_.size() * 2 + n;
    std::string larger(grown, '\0');
    const std::string_view old = view();
    std::memcpy(larger.data() + grown - old.size(), old.data(), old.size());
    at_ = grown - old.size();
    buffer_.swap(larger);
  }

  std::string buffer_;
  std::size_t at_;
};

class Encoder {
 public:
  explicit Encoder(BackWriter& w) : w_(w) {}

  // `data` may be null: the zero struct.
  void message(const Type& type, const StructData* data) { fields(type, type.proto, data); }

 private:
  void fields(const Type& type, const ProtoGroup& group, const StructData* data) {
    for (std::size_t i = group.entries.size(); i-- > 0;) {
      const ProtoEntry& entry = group.entries[i];
      if (entry.field < 0) {
        const std::size_t before = w_.written();
        fields(type, *entry.group, data);
        w_.close(entry.number, before);
        continue;
      }
      const Field& field = type.fields[static_cast<std::size_t>(entry.field)];
      const Value& v = data != nullptr ? data->slots()[field.index] : kAbsentValue;
      switch (field.shape) {
        case Shape::kList:
          if (v.absent()) break;
          for (std::size_t k = v.l->size; k-- > 0;) value(field.number, field, v.l->items[k]);
          break;
        case Shape::kMap:
          if (v.absent()) break;
          for (std::size_t k = v.m->size; k-- > 0;) {
            const std::size_t before = w_.written();
            value(2, field, v.m->entries[k].value);
            w_.text_field(1, v.m->entries[k].key());
            w_.close(field.number, before);
          }
          break;
        case Shape::kSingle:
          if (v.absent() && (field.pointer || field.scalar == Scalar::kBytes)) break;
          value(field.number, field, v);
          break;
      }
    }
  }

  // Tag and value; an absent value is written as zero.
  void value(std::uint32_t number, const Field& field, const Value& v) {
    const std::size_t before = w_.written();
    switch (field.scalar) {
      case Scalar::kBool:
      case Scalar::kInt32:
      case Scalar::kInt64:
        return w_.varint_field(number, v.as_int());
      case Scalar::kDouble:
        w_.fixed64(std::bit_cast<std::uint64_t>(v.as_double()));
        return w_.tag(number, wire::Type::kFixed64);
      case Scalar::kString:
      case Scalar::kBytes:
        return w_.text_field(number, v.as_text());
      case Scalar::kStruct:
        message(*field.type, v.as_struct());
        break;
      case Scalar::kTime:
      case Scalar::kMicroTime:
        if (const Time t = v.as_time(); !t.is_zero()) {
          w_.varint_field(2, field.scalar == Scalar::kTime ? 0 : t.nanos / 1000 * 1000);
          w_.varint_field(1, t.seconds);
        }
        break;
      case Scalar::kDuration:
        w_.varint_field(1, v.as_int());
        break;
      case Scalar::kQuantity:
        w_.text_field(1, v.absent() ? std::string_view("0") : v.as_text());
        break;
      case Scalar::kIntOrString: {
        const bool text = v.tag == Tag::kString;
        w_.text_field(3, text ? v.as_text() : std::string_view());
        w_.varint_field(2, text ? 0 : v.as_int());
        w_.varint_field(1, text ? 1 : 0);
        break;
      }
      case Scalar::kFieldsV1:
      case Scalar::kRaw:
        if (!v.absent()) w_.text_field(1, v.as_text());
        break;
      case Scalar::kAny:
        return;
    }
    w_.close(number, before);
  }

  BackWriter& w_;
};

}  // namespace

void encode_protobuf(std::string& out, StructRef s) {
  if (!s) return;
  BackWriter w(2048);
  Encoder(w).message(s.struct_type(), s.data());
  out.append(w.view());
}

std::string encode_protobuf(StructRef s) {
  std::string out;
  encode_protobuf(out, s);
  return out;
}

std::string seal_envelope(std::string_view api_version, std::string_view kind, std::string_view raw) {
  std::string out(kProtobufMagic);
  out.reserve(raw.size() + api_version.size() + kind.size() + 32);
  wire::Writer w(out);
  const std::size_t meta = w.begin(1);
  w.bytes(1, api_version);
  w.bytes(2, kind);
  w.end(meta);
  w.bytes(2, raw);
  w.bytes(3, "");
  w.bytes(4, "");
  return out;
}

std::string encode_enveloped(const Object& object) {
  const std::string raw = encode_protobuf(object.root());
  if (const KindInfo* kind = object.kind(); kind != nullptr)
    return seal_envelope(kind->api_version, kind->kind, raw);
  return seal_envelope(object.root().find("apiVersion").as_text(), object.root().find("kind").as_text(), raw);
}

}  // namespace keelson::api
