// json_to_yaml(): libyaml's emitter with go-yaml's choice of styles and its order of keys.
#include <yaml.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/json_value.h"
#include "api/yaml.h"
#include "api/yaml/resolve.h"
#include "base/check.h"

namespace keelson::api {

namespace {

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

// Near enough to Unicode's letters for sorting keys: beyond ASCII everything but Latin-1 signs, punctuation,
// symbols and emoji.
bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  return c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c < 0x2c00) && !(c >= 0x3000 && c < 0x3040) &&
         c != 0xfffd && !(c >= 0x1f000 && c < 0x20000);
}

std::u32string runes(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto b = static_cast<unsigned char>(text[i]);
    const std::size_t n = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
    char32_t rune = n == 1 ? b : b & (0xffu >> (n + 1));
    for (std::size_t k = 1; k < n && i + k < text.size(); ++k)
      rune = rune << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    out.push_back(rune);
    i += n;
  }
  return out;
}

// go-yaml's order: letters after other characters, runs of digits by their number.
bool key_less(std::string_view a_text, std::string_view b_text) {
  const std::u32string a = runes(a_text), b = runes(b_text);
  const auto at = [](const std::u32string& s, std::size_t i) { return s[i]; };
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i] == b[i]) continue;
    const bool al = is_letter(at(a, i)), bl = is_letter(at(b, i));
    if (al && bl) return at(a, i) < at(b, i);
    if (al || bl) return bl;
    std::int64_t an = 0, bn = 0;
    if (a[i] == '0' || b[i] == '0') {
      for (std::size_t j = i; j-- > 0 && is_digit(at(a, j));)
        if (a[j] != '0') {
          an = bn = 1;
          break;
        }
    }
    std::size_t ai = i, bi = i;
    for (; ai < a.size() && is_digit(at(a, ai)) && ai < i + 18; ++ai)
      an = an * 10 + static_cast<std::int64_t>(a[ai] - '0');
    for (; bi < b.size() && is_digit(at(b, bi)) && bi < i + 18; ++bi)
      bn = bn * 10 + static_cast<std::int64_t>(b[bi] - '0');
    if (an != bn) return an < bn;
    if (ai != bi) return ai < bi;
    return at(a, i) < at(b, i);
  }
  return a.size() < b.size();
}

class Emitter {
 public:
  Emitter() {
    CHECK(yaml_emitter_initialize(&emitter_) == 1);
    yaml_emitter_set_unicode(&emitter_, 1);
    yaml_emitter_set_output(&emitter_, &Emitter::append, &out_);
  }
  ~Emitter() { yaml_emitter_delete(&emitter_); }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  std::string document(const boost::json::value& v) {
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    emit(event);
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
    emit(event);
    value(v);
    yaml_document_end_event_initialize(&event, 1);
    emit(event);
    yaml_stream_end_event_initialize(&event);
    emit(event);
    return std::move(out_);
  }

 private:
  static int append(void* data, unsigned char* buffer, std::size_t size) {
    static_cast<std::string*>(data)->append(reinterpret_cast<const char*>(buffer), size);
    return 1;
  }

  void emit(yaml_event_t& event) { CHECK_MSG(yaml_emitter_emit(&emitter_, &event) == 1, emitter_.problem); }

  void scalar(std::string_view text, yaml_scalar_style_t style) {
    yaml_event_t event;
    yaml_scalar_event_initialize(&event, nullptr, nullptr, reinterpret_cast<const yaml_char_t*>(text.data()),
                                 static_cast<int>(text.size()), 1, 1, style);
    emit(event);
  }

  void string(std::string_view text) {
    if (text.find('\n') != std::string_view::npos) return scalar(text, YAML_LITERAL_SCALAR_STYLE);
    const bool plain = yaml::resolve(text).kind == yaml::Kind::kString && !yaml::is_base60(text);
    scalar(text, plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
  }

  void value(const boost::json::value& v) {
    yaml_event_t event;
    switch (v.kind()) {
      case boost::json::kind::null:
        return scalar("null", YAML_PLAIN_SCALAR_STYLE);
      case boost::json::kind::bool_:
        return scalar(v.get_bool() ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
      case boost::json::kind::int64:
        return scalar(std::to_string(v.get_int64()), YAML_PLAIN_SCALAR_STYLE);
      case boost::json::kind::uint64:
        return scalar(std::to_string(v.get_uint64()), YAML_PLAIN_SCALAR_STYLE);
      case boost::json::kind::double_:
        return scalar(yaml::format_float(v.get_double()), YAML_PLAIN_SCALAR_STYLE);
      case boost::json::kind::string:
        return string({v.get_string().data(), v.get_string().size()});
      case boost::json::kind::array:
        yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE);
        emit(event);
        for (const boost::json::value& item : v.get_array()) value(item);
        yaml_sequence_end_event_initialize(&event);
        return emit(event);
      case boost::json::kind::object: {
        std::vector<const boost::json::key_value_pair*> members;
        for (const auto& member : v.get_object()) members.push_back(&member);
        const auto key = [](const boost::json::key_value_pair* m) {
          return std::string_view(m->key().data(), m->key().size());
        };
        std::ranges::sort(members, [&](auto* a, auto* b) { return key_less(key(a), key(b)); });
        yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE);
        emit(event);
        for (const auto* member : members) {
          string(key(member));
          value(member->value());
        }
        yaml_mapping_end_event_initialize(&event);
        return emit(event);
      }
    }
  }

  yaml_emitter_t emitter_{};
  std::string out_;
};

}  // namespace

std::string json_to_yaml(std::string_view json) {
  Result<boost::json::value> value = parse_json_value(json);
  CHECK(value.has_value());
  return Emitter().document(*value);
}

}  // namespace keelson::api
