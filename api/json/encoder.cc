// encode_json(): Go's encoding/json output for the same object.
#include <array>
#include <charconv>
#include <cmath>

#include "api/json.h"
#include "api/json/scanner.h"

namespace keelson::api {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// First byte in [p, end) that Go would not write as it is: `"`, `\`, control characters, < > &, not ASCII.
const char* find_escape(const char* p, const char* end) {
#if defined(__SSE2__)
  const auto same = [](__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); };
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
    const __m128i a = _mm_or_si128(same(x, '"'), same(x, '\\'));
    // '<' 0x3c and '>' 0x3e differ in one bit.
    const __m128i b = _mm_or_si128(same(_mm_or_si128(x, _mm_set1_epi8(2)), '>'), same(x, '&'));
    const int mask = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(a, b)));
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  for (; p < end; ++p) {
    const char c = *p;
    if (static_cast<signed char>(c) < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&')
      return p;
  }
  return end;
}

void append_unicode_escape(std::string& out, unsigned rune) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(rune >> shift) & 15];
}

void append_base64(std::string& out, std::string_view data) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t i) { return i < data.size() ? static_cast<unsigned char>(data[i]) : 0u; };
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const unsigned group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    const char four[4] = {kDigits[group >> 18], kDigits[(group >> 12) & 63],
                          i + 1 < data.size() ? kDigits[(group >> 6) & 63] : '=',
                          i + 2 < data.size() ? kDigits[group & 63] : '='};
    out.append(four, 4);
  }
}

void append_int(std::string& out, std::int64_t n) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, n).ptr;
  out.append(buffer, end);
}

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  // `data` may be null: the zero struct of `type`. `prefix`: members written first, each with its comma.
  void object(const Type& type, const StructData* data, bool type_meta, std::string_view prefix = {}) {
    out_ += '{';
    out_.append(prefix);
    const std::size_t start = out_.size() - prefix.size();
    for (const Field& field : type.fields) {
      if (field.type_meta && !type_meta) continue;
      const Value& v = data != nullptr ? data->slots()[field.index] : kAbsentValue;
      if (left_out(field, v)) continue;
      out_.append(field.key);
      value(field, v);
      out_ += ',';
    }
    if (out_.size() != start)
      out_.back() = '}';
    else
      out_ += '}';
  }

  void value(const Field& field, const Value& v) {
    if (field.shape == Shape::kSingle) return single(field, v);
    if (v.absent()) {
      out_.append("null");
      return;
    }
    if (field.shape == Shape::kList) {
      out_ += '[';
      for (const Value& item : ListRef(v.as_list())) {
        single(field, item);
        out_ += ',';
      }
      close('[', ']');
      return;
    }
    out_ += '{';
    for (const MapEntry& entry : MapRef(v.as_map())) {
      append_json_string(out_, entry.key());
      out_ += ':';
      single(field, entry.value);
      out_ += ',';
    }
    close('{', '}');
  }

 private:
  static bool is_struct_in_go(const Field& field) {
    switch (field.scalar) {
      case Scalar::kStruct:
        return !field.type->wraps_list;
      case Scalar::kTime:
      case Scalar::kMicroTime:
      case Scalar::kDuration:
      case Scalar::kQuantity:
      case Scalar::kIntOrString:
      case Scalar::kRaw:
      case Scalar::kFieldsV1:
        return true;
      default:
        return false;
    }
  }

  // What omitempty and omitzero do: Go never counts a struct as empty, a list or map without members always.
  static bool left_out(const Field& field, const Value& v) {
    if (field.shape != Shape::kSingle) {
      if (v.absent()) return field.omit_empty || field.omit_zero;
      return field.omit_empty && (field.shape == Shape::kList ? v.l->size == 0 : v.m->size == 0);
    }
    if (v.absent()) {
      if (field.pointer || !is_struct_in_go(field)) return field.omit_empty || field.omit_zero;
      return field.omit_zero;
    }
    if (field.omit_zero && is_zero(field, v)) return true;
    if (!field.omit_empty || field.pointer) return false;
    if (v.tag == Tag::kBytes) return v.aux == 0;
    return !is_struct_in_go(field) && is_zero(field, v);
  }

  void close(char open, char shut) {
    if (out_.back() == ',')
      out_.back() = shut;
    else
      out_ += shut;
    (void)open;
  }

  void single(const Field& field, const Value& v) {
    if (v.absent()) return zero(field);
    switch (v.tag) {
      case Tag::kString:
        append_json_string(out_, v.as_text());
        return;
      case Tag::kBool:
        out_.append(v.as_bool() ? "true" : "false");
        return;
      case Tag::kInt:
        if (field.scalar == Scalar::kDuration) {
          append_json_string(out_, format_duration(v.as_int()));
          return;
        }
        append_int(out_, v.as_int());
        return;
      case Tag::kDouble:
        append_json_double(out_, v.as_double());
        return;
      case Tag::kBytes:
        out_ += '"';
        append_base64(out_, v.as_text());
        out_ += '"';
        return;
      case Tag::kTime:
        if (v.as_time().is_zero()) {
          out_.append("null");
          return;
        }
        out_ += '"';
        out_.append(field.scalar == Scalar::kMicroTime ? format_micro_time(v.as_time())
                                                       : format_time(v.as_time()));
        out_ += '"';
        return;
      case Tag::kQuantity:
        append_json_string(out_, v.as_text());
        return;
      case Tag::kRaw:
        append_compact_json(out_, v.as_text());
        return;
      case Tag::kStruct:
        if (v.s->type->wraps_list) return value(v.s->type->fields[0], v.s->slots()[0]);
        object(*v.s->type, v.s, true);
        return;
      default:
        return;
    }
  }

  void zero(const Field& field) {
    if (field.pointer) {
      out_.append("null");
      return;
    }
    switch (field.scalar) {
      case Scalar::kBool:
        out_.append("false");
        return;
      case Scalar::kInt32:
      case Scalar::kInt64:
      case Scalar::kDouble:
      case Scalar::kIntOrString:
        out_ += '0';
        return;
      case Scalar::kString:
        out_.append("\"\"");
        return;
      case Scalar::kDuration:
        out_.append("\"0s\"");
        return;
      case Scalar::kQuantity:
        out_.append("\"0\"");
        return;
      case Scalar::kStruct:
        object(*field.type, nullptr, true);
        return;
      default:
        out_.append("null");
    }
  }

  std::string& out_;
};

}  // namespace

// Shortest digits; exponent form below 1e-6 and from 1e21 on, "1e-9" rather than "1e-09".
void append_json_double(std::string& out, double d) {
  const double magnitude = std::fabs(d);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d,
                                 exponent ? std::chars_format::scientific : std::chars_format::fixed)
                       .ptr;
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  if (const std::size_t n = text.size();
      exponent && n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0') {
    out.append(text.substr(0, n - 2));
    out += text[n - 1];
    return;
  }
  out.append(text);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  const char* p = text.data();
  const char* const end = p + text.size();
  for (;;) {
    const char* stop = find_escape(p, end);
    out.append(p, stop);
    if (stop == end) break;
    p = stop;
    const auto c = static_cast<unsigned char>(*p);
    if (c >= 0x80) {
      const std::size_t n = json::utf8_length(p, end);
      if (n == 0) {
        out.append("\\ufffd");
        ++p;
        continue;
      }
      const std::string_view rune(p, n);
      if (rune == "\u2028" || rune == "\u2029")
        append_unicode_escape(out, rune == "\u2028" ? 0x2028 : 0x2029);
      else
        out.append(rune);
      p += n;
      continue;
    }
    ++p;
    switch (c) {
      case '"':
        out.append("\\\"");
        break;
      case '\\':
        out.append("\\\\");
        break;
      case '\b':
        out.append("\\b");
        break;
      case '\f':
        out.append("\\f");
        break;
      case '\n':
        out.append("\\n");
        break;
      case '\r':
        out.append("\\r");
        break;
      case '\t':
        out.append("\\t");
        break;
      default:
        append_unicode_escape(out, c);
    }
  }
  out += '"';
}

void append_compact_json(std::string& out, std::string_view json) {
  // Bytes that stand for themselves inside and outside of strings go over in runs.
  static constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (int c = 0x21; c < 0x80; ++c) plain[static_cast<std::size_t>(c)] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
    return plain;
  }();
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    std::size_t run = i;
    while (run < json.size() && kPlain[static_cast<unsigned char>(json[run])]) ++run;
    out.append(json, i, run - i);
    if ((i = run) == json.size()) break;
    const char c = json[i];
    if (c == '<' || c == '>' || c == '&') {
      append_unicode_escape(out, static_cast<unsigned char>(c));
      continue;
    }
    if (c == '\xe2' && (json.substr(i, 3) == "\u2028" || json.substr(i, 3) == "\u2029")) {
      append_unicode_escape(out, json.substr(i, 3) == "\u2028" ? 0x2028 : 0x2029);
      i += 2;
      continue;
    }
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < json.size())
        out += json[++i];
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    in_string = c == '"';
    out += c;
  }
}

std::string json_type_meta(const KindInfo& kind) {
  std::string out = "\"kind\":";
  append_json_string(out, kind.kind);
  out += ",\"apiVersion\":";
  append_json_string(out, kind.api_version);
  out += ',';
  return out;
}

std::string encode_json(const Object& object, TypeMetaMode mode) {
  std::string out;
  out.reserve(4096);
  if (mode == TypeMetaMode::kKind && object.kind() == nullptr) mode = TypeMetaMode::kAsIs;
  const std::string prefix = mode == TypeMetaMode::kKind ? json_type_meta(*object.kind()) : std::string();
  Encoder(out).object(object.type(), object.root().data(), mode == TypeMetaMode::kAsIs, prefix);
  return out;
}

void encode_json(std::string& out, StructRef s) {
  if (!s) {
    out.append("null");
    return;
  }
  Encoder(out).object(s.struct_type(), s.data(), true);
}

std::string encode_json(StructRef s) {
  std::string out;
  encode_json(out, s);
  return out;
}

void encode_json(std::string& out, const Field& field, const Value& value) {
  Encoder(out).value(field, value);
}

}  // namespace keelson::api
