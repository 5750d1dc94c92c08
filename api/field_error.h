// Field errors of validation, with upstream's wording (util/validation/field), and the path they name.
//
//   ErrorList errors;
//   const Path spec("spec");
//   errors.push_back(required(spec.child("containers"), ""));
//   errors.push_back(invalid(spec.child("ports").index(0).child("port"), port, "must be between 1 and 65535,
//   inclusive")); return invalid_object(kind, name, errors);        // api/status.h
// Thread rule: value types.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api::field {

// "spec.containers[0].name", "metadata.labels[a]". The path of the object itself is empty.
class Path {
 public:
  Path() = default;
  explicit Path(std::string_view name) : text_(name) {}
  Path child(std::string_view name) const;
  Path index(std::size_t i) const;
  Path key(std::string_view key) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

enum class Type : std::uint8_t {
  kNotFound,
  kRequired,
  kDuplicate,
  kInvalid,
  kNotSupported,
  kForbidden,
  kTooLong,
  kTooMany,
  kTooFew,
  kInternal,
  kTypeInvalid,
  kTooShort,
};
// "FieldValueRequired": the reason of a Status cause.
std::string_view type_reason(Type type);

// The offending value as it stands in a message: strings quoted as Go's %q, numbers and bools plain, else
// JSON text.
class BadValue {
 public:
  BadValue(std::string_view text);
  BadValue(const char* text) : BadValue(std::string_view(text)) {}
  BadValue(const std::string& text) : BadValue(std::string_view(text)) {}
  BadValue(std::int64_t n) : text_(std::to_string(n)) {}
  BadValue(std::int32_t n) : text_(std::to_string(n)) {}
  BadValue(bool b) : text_(b ? "true" : "false") {}
  // Any other value, already as JSON or Go would print it: `{"a":1}`, `null`.
  static BadValue raw(std::string text) {
    BadValue out(false);
    out.text_ = std::move(text);
    return out;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Error {
  Type type = Type::kInvalid;
  std::string field;
  std::string value;  // rendered; empty where the type shows none
  std::string detail;

  // `Invalid value: "x": must be y`
  std::string body() const;
  // `spec.a: Invalid value: "x": must be y`
  std::string text() const { return field + ": " + body(); }
};
using ErrorList = std::vector<Error>;

Error required(const Path& path, std::string detail);
Error invalid(const Path& path, BadValue value, std::string detail);
Error type_invalid(const Path& path, BadValue value, std::string detail);
Error not_found(const Path& path, BadValue value);
Error duplicate(const Path& path, BadValue value);
Error forbidden(const Path& path, std::string detail);
// `Unsupported value: "x": supported values: "a", "b"`: in the order given (upstream's callers sort).
Error not_supported(const Path& path, BadValue value, std::span<const std::string_view> supported);
Error too_long(const Path& path, int max_bytes);
Error too_long_characters(const Path& path, int max_characters);
Error too_many(const Path& path, int actual, int max);
Error too_short(const Path& path, int min_characters);
Error internal(const Path& path, std::string detail);

// Go's strconv.Quote.
std::string go_quote(std::string_view text);
// Appends `more` to `to`.
void append(ErrorList& to, ErrorList more);
// One error's text, or "[a, b]" with equal ones once; empty for none.
std::string aggregate_text(const ErrorList& errors);

}  // namespace keelson::api::field
