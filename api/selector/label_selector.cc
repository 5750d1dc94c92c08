#include "api/selector/label_selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/selector/label_syntax.h"
#include "base/log.h"

namespace keelson::api {
namespace {

enum class Tok {
  kError,
  kEnd,
  kClose,
  kComma,
  kNot,
  kDoubleEquals,
  kEquals,
  kGreater,
  kIdentifier,
  kIn,
  kLess,
  kNotEquals,
  kNotIn,
  kOpen
};

struct Token {
  Tok tok;
  std::string text;
};

std::optional<Tok> symbol(std::string_view s) {
  if (s == ")") return Tok::kClose;
  if (s == ",") return Tok::kComma;
  if (s == "!") return Tok::kNot;
  if (s == "==") return Tok::kDoubleEquals;
  if (s == "=") return Tok::kEquals;
  if (s == ">") return Tok::kGreater;
  if (s == "<") return Tok::kLess;
  if (s == "!=") return Tok::kNotEquals;
  if (s == "(") return Tok::kOpen;
  return std::nullopt;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_special(char c) {
  return std::string_view("=!(),><").find(c) != std::string_view::npos;
}

std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

std::optional<std::int64_t> to_int(std::string_view s) {
  if (s.starts_with('+')) {
    s.remove_prefix(1);
    if (s.starts_with('-')) return std::nullopt;
  }
  std::int64_t v = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (ec != std::errc() || end != s.data() + s.size() || s.empty()) return std::nullopt;
  return v;
}

// The longest operator at the front of `s`, or an error token that swallows all special characters.
Token scan_special(std::string_view s, std::size_t& pos) {
  std::string buffer;
  std::optional<Token> last;
  std::size_t end = pos;
  for (std::size_t i = pos; i < s.size() && is_special(s[i]); ++i) {
    buffer += s[i];
    if (auto t = symbol(buffer)) {
      last = Token{*t, buffer};
      end = i + 1;
    } else if (last) {
      break;
    }
  }
  if (!last) {
    pos += buffer.size();
    return {Tok::kError, fmt::format("error expected: keyword found '{}'", buffer)};
  }
  pos = end;
  return *last;
}

std::vector<Token> scan(std::string_view s) {
  std::vector<Token> tokens;
  std::size_t pos = 0;
  for (;;) {
    while (pos < s.size() && is_space(s[pos])) ++pos;
    if (pos >= s.size() || s[pos] == '\0') break;
    if (is_special(s[pos])) {
      tokens.push_back(scan_special(s, pos));
      continue;
    }
    const std::size_t start = pos;
    while (pos < s.size() && s[pos] != '\0' && !is_special(s[pos]) && !is_space(s[pos])) ++pos;
    std::string word(s.substr(start, pos - start));
    const Tok tok = word == "in" ? Tok::kIn : word == "notin" ? Tok::kNotIn : Tok::kIdentifier;
    tokens.push_back({tok, std::move(word)});
  }
  tokens.push_back({Tok::kEnd, ""});
  return tokens;
}

std::unexpected<Error> bad(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

class Parser {
 public:
  explicit Parser(std::string_view s) : tokens_(scan(s)) {}

  Result<std::vector<LabelRequirement>> parse() {
    std::vector<LabelRequirement> out;
    for (;;) {
      const Token t = peek();
      if (t.tok == Tok::kEnd) return out;
      if (t.tok != Tok::kIdentifier && t.tok != Tok::kNot)
        return bad(fmt::format("found '{}', expected: !, identifier, or 'end of string'", t.text));
      auto r = requirement();
      if (!r) return bad("unable to parse requirement: " + r.error().message);
      out.push_back(*std::move(r));
      const Token sep = take();
      if (sep.tok == Tok::kEnd) return out;
      if (sep.tok != Tok::kComma)
        return bad(fmt::format("found '{}', expected: ',' or 'end of string'", sep.text));
      const Token next = peek();
      if (next.tok != Tok::kIdentifier && next.tok != Tok::kNot)
        return bad(fmt::format("found '{}', expected: identifier after ','", next.text));
    }
  }

 private:
  // Where a value may stand, `in` and `notin` are plain words.
  Token peek() const {
    Token t = tokens_[std::min(pos_, tokens_.size() - 1)];
    if (t.tok == Tok::kIn || t.tok == Tok::kNotIn) t.tok = Tok::kIdentifier;
    return t;
  }
  Token take() {
    Token t = peek();
    ++pos_;
    return t;
  }
  Token take_operator() { return tokens_[std::min(pos_++, tokens_.size() - 1)]; }

  Result<LabelRequirement> requirement() {
    Token key = take();
    const bool negated = key.tok == Tok::kNot;
    if (negated) key = take();
    if (key.tok != Tok::kIdentifier) return bad(fmt::format("found '{}', expected: identifier", key.text));
    if (auto errors = check_label_key(key.text); !errors.empty())
      return bad(fmt::format("<nil>: Invalid value: {}: {}", quoted(key.text), fmt::join(errors, "; ")));
    if (negated) return LabelRequirement::make(key.text, LabelOp::kDoesNotExist, {});
    const Tok next = peek().tok;
    if (next == Tok::kEnd || next == Tok::kComma)
      return LabelRequirement::make(key.text, LabelOp::kExists, {});
    const LabelOp op = TRY(parse_operator());
    std::vector<std::string> values =
        op == LabelOp::kIn || op == LabelOp::kNotIn ? TRY(value_set()) : TRY(single_value());
    return LabelRequirement::make(key.text, op, std::move(values));
  }

  Result<LabelOp> parse_operator() {
    const Token t = take_operator();
    switch (t.tok) {
      case Tok::kIn:
        return LabelOp::kIn;
      case Tok::kNotIn:
        return LabelOp::kNotIn;
      case Tok::kEquals:
        return LabelOp::kEquals;
      case Tok::kDoubleEquals:
        return LabelOp::kDoubleEquals;
      case Tok::kNotEquals:
        return LabelOp::kNotEquals;
      case Tok::kGreater:
        return LabelOp::kGreaterThan;
      case Tok::kLess:
        return LabelOp::kLessThan;
      default:
        return bad(fmt::format("found '{}', expected: in, notin, =, ==, !=, gt, lt", t.text));
    }
  }

  Result<std::vector<std::string>> single_value() {
    const Tok next = peek().tok;
    if (next == Tok::kEnd || next == Tok::kComma) return std::vector<std::string>{""};
    const Token t = take();
    if (t.tok != Tok::kIdentifier) return bad(fmt::format("found '{}', expected: identifier", t.text));
    return std::vector<std::string>{t.text};
  }

  Result<std::vector<std::string>> value_set() {
    const Token open = take();
    if (open.tok != Tok::kOpen) return bad(fmt::format("found '{}' expected: '('", open.text));
    const Token first = peek();
    if (first.tok == Tok::kClose) {
      take();
      return std::vector<std::string>{""};
    }
    if (first.tok != Tok::kIdentifier && first.tok != Tok::kComma)
      return bad(fmt::format("found '{}', expected: ',', ')' or identifier", first.text));
    std::vector<std::string> values = TRY(identifiers());
    take();
    return values;
  }

  // Up to, not including, the closing parenthesis. An empty place between commas is the empty value.
  Result<std::vector<std::string>> identifiers() {
    std::vector<std::string> values;
    for (;;) {
      const Token t = take();
      const Token next = peek();
      if (t.tok == Tok::kIdentifier) {
        values.push_back(t.text);
        if (next.tok == Tok::kClose) return values;
        if (next.tok != Tok::kComma) return bad(fmt::format("found '{}', expected: ',' or ')'", next.text));
      } else if (t.tok == Tok::kComma) {
        if (values.empty() || next.tok == Tok::kClose || next.tok == Tok::kComma) values.emplace_back();
        if (next.tok == Tok::kClose) return values;
      } else {
        return bad(fmt::format("found '{}', expected: ',', or identifier", t.text));
      }
    }
  }

  std::vector<Token> tokens_;
  std::size_t pos_ = 0;
};

std::string_view op_text(LabelOp op) {
  switch (op) {
    case LabelOp::kIn:
      return " in ";
    case LabelOp::kNotIn:
      return " notin ";
    case LabelOp::kEquals:
      return "=";
    case LabelOp::kDoubleEquals:
      return "==";
    case LabelOp::kNotEquals:
      return "!=";
    case LabelOp::kGreaterThan:
      return ">";
    case LabelOp::kLessThan:
      return "<";
    case LabelOp::kExists:
    case LabelOp::kDoesNotExist:
      return "";
  }
  return "";
}

}  // namespace

Result<LabelRequirement> LabelRequirement::make(std::string key, LabelOp op,
                                                std::vector<std::string> values) {
  std::vector<std::string> errors;
  if (auto e = check_label_key(key); !e.empty())
    errors.push_back(fmt::format("key: Invalid value: {}: {}", quoted(key), fmt::join(e, "; ")));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if ((op == LabelOp::kIn || op == LabelOp::kNotIn) && values.empty()) {
    errors.emplace_back("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  } else if ((op == LabelOp::kExists || op == LabelOp::kDoesNotExist) && !values.empty()) {
    std::string list;
    for (const std::string& v : values) list += (list.empty() ? "" : ",") + quoted(v);
    errors.push_back(fmt::format(
        "values: Invalid value: [{}]: values set must be empty for exists and does not exist", list));
  } else if (op == LabelOp::kGreaterThan || op == LabelOp::kLessThan) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!to_int(values[i]))
        errors.push_back(fmt::format(
            "values[{}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", i,
            quoted(values[i])));
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    if (auto e = check_label_value(values[i]); !e.empty())
      errors.push_back(fmt::format("values[{}][{}]: Invalid value: {}: {}", i, key, quoted(values[i]),
                                   fmt::join(e, "; ")));
  if (errors.size() == 1) return bad(errors[0]);
  if (!errors.empty()) return bad(fmt::format("[{}]", fmt::join(errors, ", ")));
  return LabelRequirement{std::move(key), op, std::move(values)};
}

bool LabelRequirement::matches(std::optional<std::string_view> value) const {
  const auto has = [&] {
    for (const std::string& v : values)
      if (v == *value) return true;
    return false;
  };
  switch (op) {
    case LabelOp::kIn:
    case LabelOp::kEquals:
    case LabelOp::kDoubleEquals:
      return value && has();
    case LabelOp::kNotIn:
    case LabelOp::kNotEquals:
      return !value || !has();
    case LabelOp::kExists:
      return value.has_value();
    case LabelOp::kDoesNotExist:
      return !value.has_value();
    case LabelOp::kGreaterThan:
    case LabelOp::kLessThan: {
      if (!value || values.size() != 1) return false;
      const auto have = to_int(*value);
      const auto want = to_int(values[0]);
      if (!have || !want) return false;
      return op == LabelOp::kGreaterThan ? *have > *want : *have < *want;
    }
  }
  return false;
}

std::string LabelRequirement::to_string() const {
  const bool set = op == LabelOp::kIn || op == LabelOp::kNotIn;
  return fmt::format("{}{}{}{}{}{}", op == LabelOp::kDoesNotExist ? "!" : "", key, op_text(op),
                     set ? "(" : "", fmt::join(values, ","), set ? ")" : "");
}

LabelSelector LabelSelector::nothing() {
  LabelSelector s;
  s.nothing_ = true;
  return s;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  return from_requirements(TRY(Parser(text).parse()));
}

LabelSelector LabelSelector::from_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<LabelRequirement> rs;
  rs.reserve(pairs.size());
  for (const auto& [k, v] : pairs) rs.push_back({k, LabelOp::kEquals, {v}});
  return from_requirements(std::move(rs));
}

LabelSelector LabelSelector::from_requirements(std::vector<LabelRequirement> requirements) {
  LabelSelector s;
  // Insertion keeps the order of equal keys; selectors are short.
  for (LabelRequirement& r : requirements) {
    auto at = std::ranges::upper_bound(s.requirements_, r.key, {}, &LabelRequirement::key);
    s.requirements_.insert(at, std::move(r));
  }
  return s;
}

Result<LabelRequirement> LabelSelector::expression(std::string key, std::string_view op,
                                                   std::vector<std::string> values) {
  if (op == "In") return LabelRequirement::make(std::move(key), LabelOp::kIn, std::move(values));
  if (op == "NotIn") return LabelRequirement::make(std::move(key), LabelOp::kNotIn, std::move(values));
  if (op == "Exists") return LabelRequirement::make(std::move(key), LabelOp::kExists, std::move(values));
  if (op == "DoesNotExist")
    return LabelRequirement::make(std::move(key), LabelOp::kDoesNotExist, std::move(values));
  return bad(fmt::format("{} is not a valid label selector operator", quoted(op)));
}

std::string LabelSelector::to_string() const {
  std::string out;
  for (const LabelRequirement& r : requirements_) {
    if (!out.empty()) out += ',';
    out += r.to_string();
  }
  return out;
}

}  // namespace keelson::api
