#include "api/managed_fields/field_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <charconv>

#include "api/patch/json_text.h"
#include "base/log.h"

namespace keelson::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kKindLetters = "fkvi";

// Takes the JSON scalar at the front of `s`.
std::string_view take_scalar(std::string_view& s) {
  std::size_t n = 0;
  if (s.starts_with('"')) {
    for (n = 1; n < s.size() && s[n] != '"'; ++n)
      if (s[n] == '\\') ++n;
    n = std::min(n + 1, s.size());
  } else {
    while (n < s.size() && s[n] != ',' && s[n] != '}' && s[n] != ':') ++n;
  }
  const std::string_view out = s.substr(0, n);
  s.remove_prefix(n);
  return out;
}

// Numbers before strings before booleans before null.
int rank(std::string_view scalar) {
  if (scalar.starts_with('"')) return 1;
  if (scalar == "true" || scalar == "false") return 2;
  return scalar == "null" ? 3 : 0;
}

int sign(std::strong_ordering o) {
  return o < 0 ? -1 : o > 0 ? 1 : 0;
}

int compare_scalars(std::string_view a, std::string_view b) {
  const int ra = rank(a);
  if (const int rb = rank(b); ra != rb) return ra < rb ? -1 : 1;
  if (ra == 0) {
    double x = 0, y = 0;
    std::from_chars(a.data(), a.data() + a.size(), x);
    std::from_chars(b.data(), b.data() + b.size(), y);
    if (x != y) return x < y ? -1 : 1;
  }
  return sign(a <=> b);
}

int compare_keys(std::string_view a, std::string_view b) {
  while (a.size() > 1 && b.size() > 1) {
    a.remove_prefix(1);  // '{' or ','
    b.remove_prefix(1);
    if (int c = sign(take_scalar(a) <=> take_scalar(b)); c != 0) return c;
    if (a.empty() || b.empty()) break;
    a.remove_prefix(1);  // ':'
    b.remove_prefix(1);
    if (int c = compare_scalars(take_scalar(a), take_scalar(b)); c != 0) return c;
  }
  return sign(a.size() <=> b.size());
}

void append_scalar(std::string& out, const json::value& v) {
  if (v.is_string()) {
    append_go_json_string(out, v.get_string());
  } else {
    out += v.is_null() ? "null" : go_format(v);
  }
}

// Walks two sorted entry lists in step: f(a or null, b or null).
template <class Entries, class F>
void zip(Entries& a, Entries& b, F&& f) {
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const int c = i == a.size() ? 1 : j == b.size() ? -1 : compare(a[i].element, b[j].element);
    f(c <= 0 ? &a[i] : nullptr, c >= 0 ? &b[j] : nullptr);
    i += c <= 0 ? 1 : 0;
    j += c >= 0 ? 1 : 0;
  }
}

void write(const FieldSet& set, bool self, std::string& out) {
  out += self ? "{\".\":{}" : "{";
  bool comma = self;
  for (const FieldSet::Entry& e : set.entries()) {
    if (comma) out += ',';
    comma = true;
    append_json_string(out, e.element.to_string());
    out += ':';
    write(e.children, e.member && !e.children.empty(), out);
  }
  out += '}';
}

// Reads nested objects of objects straight from the text.
class SetReader {
 public:
  explicit SetReader(std::string_view s) : s_(s) {}

  Result<FieldSet> read() {
    bool self = false;
    FieldSet out = TRY(object(self, 0));
    skip();
    if (pos_ != s_.size()) return bad();
    return out;
  }

 private:
  static std::unexpected<Error> bad() { return fail(Code::kInvalidArgument, "invalid fieldset"); }
  void skip() {
    while (pos_ < s_.size() && (s_[pos_] == ' ' || s_[pos_] == '\n' || s_[pos_] == '\t' || s_[pos_] == '\r'))
      ++pos_;
  }
  bool take(char c) {
    skip();
    if (pos_ >= s_.size() || s_[pos_] != c) return false;
    ++pos_;
    return true;
  }

  Result<std::string> key() {
    skip();
    const std::size_t start = pos_;
    if (!take('"')) return bad();
    bool plain = true;
    for (; pos_ < s_.size() && s_[pos_] != '"'; ++pos_) {
      if (s_[pos_] != '\\') continue;
      ++pos_;
      plain = false;
    }
    if (!take('"')) return bad();
    const std::string_view quoted = s_.substr(start, pos_ - start);
    if (plain) return std::string(quoted.substr(1, quoted.size() - 2));
    const JsonText text = TRY(read_json_text(quoted));
    return std::string(text.value.as_string());
  }

  // `self` becomes true when the object says "." or nothing at all.
  Result<FieldSet> object(bool& self, int depth) {
    FieldSet out;
    if (depth > kDepthMax || !take('{')) return bad();
    if (take('}')) {
      self = true;
      return out;
    }
    do {
      std::string name = TRY(key());
      if (!take(':')) return bad();
      bool member = false;
      FieldSet children = TRY(object(member, depth + 1));
      if (name == ".") {
        self = true;
      } else {
        out.add(TRY(PathElement::parse(name)), member, std::move(children));
      }
    } while (take(','));
    if (!take('}')) return bad();
    return out;
  }

  static constexpr int kDepthMax = 500;
  std::string_view s_;
  std::size_t pos_ = 0;
};

// Whether a key text is in the form that we write: no spaces, names ascending, texts and integers only.
bool is_canonical_key(std::string_view s) {
  std::string_view last;
  if (!s.starts_with('{')) return false;
  while (s.size() > 1) {
    s.remove_prefix(1);
    const std::string_view name = take_scalar(s);
    if (!name.starts_with('"') || name <= last || !s.starts_with(':')) return false;
    last = name;
    s.remove_prefix(1);
    const std::string_view v = take_scalar(s);
    if (!v.starts_with('"') && v.find_first_not_of("0123456789") != std::string_view::npos) return false;
    if (v.empty() || !(s.starts_with(',') || s == "}")) return false;
  }
  return s == "}";
}

}  // namespace

void append_go_json_string(std::string& out, std::string_view s) {
  const auto as_it_is = [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
  };
  if (std::ranges::all_of(s, as_it_is)) {
    out += '"';
    out += s;
    out += '"';
    return;
  }
  std::string plain;
  append_json_string(plain, s);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const char c = plain[i];
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (plain.compare(i, 3, "\xe2\x80\xa8") == 0 || plain.compare(i, 3, "\xe2\x80\xa9") == 0) {
      out += plain[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += c;
    }
  }
}

std::string PathElement::to_string() const {
  std::string out{kKindLetters[static_cast<std::size_t>(kind)], ':'};
  return out += text;
}

Result<PathElement> PathElement::parse(std::string_view s) {
  if (s.size() < 2) return fail(Code::kInvalidArgument, "key must be 2 characters long:");
  if (s[1] != ':') return fail(Code::kInvalidArgument, fmt::format("missing colon: {}", s));
  const std::size_t kind = kKindLetters.find(s[0]);
  if (kind == std::string_view::npos) return fail(Code::kInvalidArgument, "unknown path element type");
  PathElement pe{static_cast<Kind>(kind), std::string(s.substr(2))};
  if (pe.kind == Kind::kKey && is_canonical_key(pe.text)) return pe;
  if (pe.kind == Kind::kValue || pe.kind == Kind::kKey) {
    const JsonText parsed = TRY(read_json_text(pe.text));
    pe.text.clear();
    if (pe.kind == Kind::kValue) {
      append_scalar(pe.text, parsed.value);
    } else {
      if (!parsed.value.is_object()) return fail(Code::kInvalidArgument, "expected an object");
      std::vector<std::pair<std::string_view, const json::value*>> keys;
      for (const auto& m : parsed.value.get_object()) keys.emplace_back(m.key(), &m.value());
      std::ranges::sort(keys);
      for (const auto& [name, v] : keys) {
        pe.text += pe.text.empty() ? '{' : ',';
        append_go_json_string(pe.text, name);
        pe.text += ':';
        append_scalar(pe.text, *v);
      }
      pe.text += pe.text.empty() ? "{}" : "}";
    }
  } else if (pe.kind == Kind::kIndex) {
    if (pe.text.empty() || pe.text.find_first_not_of("0123456789") != std::string::npos)
      return fail(Code::kInvalidArgument,
                  fmt::format("strconv.Atoi: parsing \"{}\": invalid syntax", pe.text));
  }
  return pe;
}

int compare(const PathElement& a, const PathElement& b) {
  if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
  switch (a.kind) {
    case PathElement::Kind::kKey:
      return a.text == b.text ? 0 : compare_keys(a.text, b.text);
    case PathElement::Kind::kField:
      return sign(a.text <=> b.text);
    default:
      return compare_scalars(a.text, b.text);
  }
}

void FieldSet::add(PathElement element, bool member, FieldSet children) {
  if (!member && children.empty()) return;
  auto at = entries_.end();
  // Mostly appended in order.
  if (!entries_.empty() && compare(entries_.back().element, element) >= 0)
    at = std::ranges::lower_bound(
        entries_, element, [](const PathElement& x, const PathElement& y) { return compare(x, y) < 0; },
        &Entry::element);
  if (at == entries_.end() || compare(at->element, element) != 0) {
    entries_.insert(at, Entry{std::move(element), member, std::move(children)});
    return;
  }
  at->member |= member;
  at->children.merge(std::move(children));
}

void FieldSet::insert(std::span<const PathElement> path) {
  FieldSet below;
  if (path.size() > 1) below.insert(path.subspan(1));
  add(path.front(), path.size() == 1, std::move(below));
}

bool FieldSet::has(std::span<const PathElement> path) const {
  for (const Entry& e : entries_)
    if (compare(e.element, path.front()) == 0)
      return path.size() == 1 ? e.member : e.children.has(path.subspan(1));
  return false;
}

FieldSet FieldSet::of(std::initializer_list<std::string_view> path) {
  std::vector<PathElement> elements;
  for (std::string_view name : path) elements.push_back(PathElement::field(name));
  FieldSet out;
  out.insert(elements);
  return out;
}

void FieldSet::merge(FieldSet other) {
  if (entries_.empty()) {
    entries_ = std::move(other.entries_);
    return;
  }
  if (other.entries_.empty()) return;
  std::vector<Entry> out;
  out.reserve(entries_.size() + other.entries_.size());
  zip(entries_, other.entries_, [&](Entry* a, Entry* b) {
    Entry& e = out.emplace_back(std::move(a ? *a : *b));
    if (a == nullptr || b == nullptr) return;
    e.member |= b->member;
    e.children.merge(std::move(b->children));
  });
  entries_ = std::move(out);
}

void FieldSet::subtract(const FieldSet& other) {
  auto b = other.entries_.begin();
  std::erase_if(entries_, [&](Entry& a) {
    while (b != other.entries_.end() && compare(b->element, a.element) < 0) ++b;
    if (b == other.entries_.end() || compare(b->element, a.element) != 0) return false;
    a.member = a.member && !b->member;
    a.children.subtract(b->children);
    return !a.member && a.children.empty();
  });
}

void FieldSet::subtract_recursive(const FieldSet& other) {
  auto b = other.entries_.begin();
  std::erase_if(entries_, [&](Entry& a) {
    while (b != other.entries_.end() && compare(b->element, a.element) < 0) ++b;
    if (b == other.entries_.end() || compare(b->element, a.element) != 0) return false;
    if (b->member) return true;
    a.children.subtract_recursive(b->children);
    return !a.member && a.children.empty();
  });
}

FieldSet FieldSet::intersection(const FieldSet& other) const {
  FieldSet out;
  zip(entries_, other.entries_, [&](const Entry* a, const Entry* b) {
    if (a && b) out.add(a->element, a->member && b->member, a->children.intersection(b->children));
  });
  return out;
}

FieldSet FieldSet::union_with(const FieldSet& other) const {
  FieldSet out = *this;
  out.merge(other);
  return out;
}

FieldSet FieldSet::difference(const FieldSet& other) const {
  FieldSet out = *this;
  out.subtract(other);
  return out;
}

std::string FieldSet::to_json() const {
  std::string out;
  write(*this, false, out);
  return out;
}

Result<FieldSet> FieldSet::parse(std::string_view text) {
  return SetReader(text.empty() ? "{}" : text).read();
}

}  // namespace keelson::api
