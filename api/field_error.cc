#include "api/field_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace keelson::api::field {

Path Path::child(std::string_view name) const {
  Path out;
  out.text_ = text_.empty() ? std::string(name) : text_ + "." + std::string(name);
  return out;
}

Path Path::index(std::size_t i) const {
  return key(std::to_string(i));
}

Path Path::key(std::string_view key) const {
  Path out;
  out.text_ = text_ + "[" + std::string(key) + "]";
  return out;
}

std::string_view type_reason(Type type) {
  switch (type) {
    case Type::kNotFound:
      return "FieldValueNotFound";
    case Type::kRequired:
      return "FieldValueRequired";
    case Type::kDuplicate:
      return "FieldValueDuplicate";
    case Type::kInvalid:
      return "FieldValueInvalid";
    case Type::kNotSupported:
      return "FieldValueNotSupported";
    case Type::kForbidden:
      return "FieldValueForbidden";
    case Type::kTooLong:
      return "FieldValueTooLong";
    case Type::kTooMany:
      return "FieldValueTooMany";
    case Type::kTooFew:
      return "FieldValueTooFew";
    case Type::kInternal:
      return "InternalError";
    case Type::kTypeInvalid:
      return "FieldValueTypeInvalid";
    case Type::kTooShort:
      return "FieldValueTooShort";
  }
  return "";
}

namespace {

std::string_view type_text(Type type) {
  switch (type) {
    case Type::kNotFound:
      return "Not found";
    case Type::kRequired:
      return "Required value";
    case Type::kDuplicate:
      return "Duplicate value";
    case Type::kInvalid:
    case Type::kTypeInvalid:
      return "Invalid value";
    case Type::kNotSupported:
      return "Unsupported value";
    case Type::kForbidden:
      return "Forbidden";
    case Type::kTooLong:
      return "Too long";
    case Type::kTooMany:
      return "Too many";
    case Type::kTooFew:
      return "Too few";
    case Type::kInternal:
      return "Internal error";
    case Type::kTooShort:
      return "Too short";
  }
  return "";
}

// Length of the valid UTF-8 sequence at `at`, or 0.
std::size_t utf8_length(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < s.size() ? static_cast<unsigned char>(s[at + i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b < 0xe0) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b < 0xf0) {
    if (!tail(1) || !tail(2)) return 0;
    if ((b == 0xe0 && byte(1) < 0xa0) || (b == 0xed && byte(1) >= 0xa0)) return 0;
    return 3;
  }
  if (b >= 0xf0 && b < 0xf5) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if ((b == 0xf0 && byte(1) < 0x90) || (b == 0xf4 && byte(1) >= 0x90)) return 0;
    return 4;
  }
  return 0;
}

std::string limit_text(std::string_view what, int n, std::string_view unit, std::string_view none) {
  return n < 0 ? std::string(none) : fmt::format("{} {} {}{}", what, n, unit, n == 1 ? "" : "s");
}

}  // namespace

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t n = utf8_length(text, i);
    if (n == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      ++i;
      continue;
    }
    if (n > 1) {
      out.append(text.substr(i, n));
      i += n;
      continue;
    }
    ++i;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (c < 0x20 || c == 0x7f)
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
          out += c;
    }
  }
  return out + '"';
}

BadValue::BadValue(std::string_view text) : text_(go_quote(text)) {}

std::string Error::body() const {
  std::string out(type_text(type));
  const bool shows_value = type != Type::kRequired && type != Type::kForbidden && type != Type::kTooLong &&
                           type != Type::kTooShort && type != Type::kInternal;
  if (shows_value && !value.empty()) out += ": " + value;
  if (!detail.empty()) out += ": " + detail;
  return out;
}

Error required(const Path& path, std::string detail) {
  return {Type::kRequired, path.text(), "", std::move(detail)};
}
Error invalid(const Path& path, BadValue value, std::string detail) {
  return {Type::kInvalid, path.text(), value.text(), std::move(detail)};
}
Error type_invalid(const Path& path, BadValue value, std::string detail) {
  return {Type::kTypeInvalid, path.text(), value.text(), std::move(detail)};
}
Error not_found(const Path& path, BadValue value) {
  return {Type::kNotFound, path.text(), value.text(), ""};
}
Error duplicate(const Path& path, BadValue value) {
  return {Type::kDuplicate, path.text(), value.text(), ""};
}
Error forbidden(const Path& path, std::string detail) {
  return {Type::kForbidden, path.text(), "", std::move(detail)};
}

Error not_supported(const Path& path, BadValue value, std::span<const std::string_view> supported) {
  std::string detail;
  for (std::string_view s : supported) detail += (detail.empty() ? "supported values: " : ", ") + go_quote(s);
  return {Type::kNotSupported, path.text(), value.text(), detail};
}

Error too_long(const Path& path, int max_bytes) {
  return {Type::kTooLong, path.text(), "",
          limit_text("may not be more than", max_bytes, "byte", "value is too long")};
}
Error too_long_characters(const Path& path, int max_characters) {
  return {Type::kTooLong, path.text(), "",
          limit_text("may not be more than", max_characters, "character", "value is too long")};
}
Error too_many(const Path& path, int actual, int max) {
  return {Type::kTooMany, path.text(), actual >= 0 ? std::to_string(actual) : "",
          limit_text("must have at most", max, "item", "has too many items")};
}
Error too_short(const Path& path, int min_characters) {
  return {Type::kTooShort, path.text(), "",
          limit_text("must be at least", min_characters, "character", "value is too short")};
}
Error internal(const Path& path, std::string detail) {
  return {Type::kInternal, path.text(), "", std::move(detail)};
}

void append(ErrorList& to, ErrorList more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::string aggregate_text(const ErrorList& errors) {
  std::vector<std::string> texts;
  for (const Error& error : errors) {
    std::string text = error.text();
    if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
  }
  if (texts.empty()) return "";
  if (texts.size() == 1) return texts[0];
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

}  // namespace keelson::api::field
