#include "api/selector/field_selector.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::api {
namespace {

std::vector<std::string_view> split_terms(std::string_view s) {
  std::vector<std::string_view> terms;
  std::size_t start = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == ',') {
      terms.push_back(s.substr(start, i - start));
      start = i + 1;
    }
  }
  terms.push_back(s.substr(start));
  return terms;
}

Result<std::string> unescape(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == ',' || c == '=')
      return fail(
          Code::kInvalidArgument,
          fmt::format("invalid field selector: unescaped character in value: {}", static_cast<int>(c)));
    if (c != '\\') {
      out += c;
      continue;
    }
    ++i;
    if (i == s.size() || (s[i] != '\\' && s[i] != ',' && s[i] != '='))
      return fail(Code::kInvalidArgument, fmt::format("invalid field selector: invalid escape sequence: \\{}",
                                                      i == s.size() ? std::string_view() : s.substr(i, 1)));
    out += s[i];
  }
  return out;
}

std::string escape(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  std::vector<std::string_view> terms = split_terms(text);
  std::ranges::sort(terms);
  for (std::string_view term : terms) {
    if (term.empty()) continue;
    FieldRequirement r;
    const std::size_t eq = term.find('=');
    if (eq == std::string_view::npos)
      return fail(Code::kInvalidArgument,
                  fmt::format("invalid selector: '{}'; can't understand '{}'", text, term));
    const bool ne = eq > 0 && term[eq - 1] == '!';
    const bool twice = !ne && eq + 1 < term.size() && term[eq + 1] == '=';
    r.field = term.substr(0, ne ? eq - 1 : eq);
    r.equal = !ne;
    r.value = TRY(unescape(term.substr(eq + (twice ? 2 : 1))));
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

std::optional<std::string_view> FieldSelector::exact(std::string_view field) const {
  for (const FieldRequirement& r : requirements_)
    if (r.equal && r.field == field) return r.value;
  return std::nullopt;
}

Result<> FieldSelector::map_fields(const std::function<Result<std::string>(std::string_view)>& rename) {
  for (FieldRequirement& r : requirements_) r.field = TRY(rename(r.field));
  return {};
}

std::string FieldSelector::to_string() const {
  std::string out;
  for (const FieldRequirement& r : requirements_)
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ",", r.field, r.equal ? "=" : "!=", escape(r.value));
  return out;
}

}  // namespace keelson::api
