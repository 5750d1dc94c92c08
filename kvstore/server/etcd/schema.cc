#include "kvstore/server/etcd/schema.h"

#include <charconv>

#include "base/check.h"

namespace keelson::kvstore::etcd {
namespace {

std::string_view take_word(std::string_view& rest) {
  const auto start = rest.find_first_not_of(' ');
  if (start == std::string_view::npos) {
    rest = {};
    return {};
  }
  const auto end = std::min(rest.find(' ', start), rest.size());
  const auto word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

std::int64_t number(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  CHECK(ec == std::errc() && end == text.data() + text.size());
  return n;
}

std::string camel(std::string_view name) {
  std::string out;
  bool up = false;
  for (const char c : name) {
    if (c == '_') {
      up = true;
    } else {
      out.push_back(up && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
      up = false;
    }
  }
  return out;
}

bool scalar(std::string_view type, FieldKind& kind) {
  static const std::map<std::string_view, FieldKind> kKinds{
      {"int64", FieldKind::kInt64}, {"uint64", FieldKind::kUint64}, {"uint32", FieldKind::kUint32},
      {"bool", FieldKind::kBool},   {"string", FieldKind::kString}, {"bytes", FieldKind::kBytes},
  };
  const auto it = kKinds.find(type);
  if (it == kKinds.end()) return false;
  kind = it->second;
  return true;
}

}  // namespace

const FieldDesc* MessageDesc::by_number(std::uint32_t n) const {
  for (const auto& f : fields) {
    if (f.number == n) return &f;
  }
  return nullptr;
}
const FieldDesc* MessageDesc::by_name(std::string_view n) const {
  for (const auto& f : fields) {
    if (f.name == n || f.json_name == n) return &f;
  }
  return nullptr;
}

Schema::Schema(std::string_view text) {
  MessageDesc* current = nullptr;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto word = take_word(line);
    if (word.empty()) continue;
    if (word == "enum") {
      EnumDesc& e = enums_[take_word(line)];
      for (auto v = take_word(line); !v.empty(); v = take_word(line)) {
        const auto eq = v.find('=');
        e.values.emplace_back(number(v.substr(eq + 1)), v.substr(0, eq));
      }
    } else if (word == "message") {
      const auto name = take_word(line);
      current = &messages_[name];
      current->name = name;
    } else if (word == "rpc") {
      MethodDesc& m = methods_.emplace_back();
      m.path = take_word(line);
      m.request = &messages_[take_word(line)];
      m.response = &messages_[take_word(line)];
      for (auto v = take_word(line); !v.empty(); v = take_word(line)) {
        if (v == "stream") {
          m.streams = true;
        } else {
          http_[v] = &m;
        }
      }
    } else {
      CHECK(current != nullptr);
      FieldDesc f;
      f.number = static_cast<std::uint32_t>(number(word));
      f.name = take_word(line);
      f.json_name = camel(f.name);
      auto type = take_word(line);
      for (; type == "repeated" || type == "oneof"; type = take_word(line)) {
        (type == "repeated" ? f.repeated : f.oneof) = true;
      }
      if (!scalar(type, f.kind)) {
        if (enums_.contains(type)) {
          f.kind = FieldKind::kEnum;
          f.values = &enums_[type];
        } else {
          f.kind = FieldKind::kMessage;
          f.message = &messages_[type];
        }
      }
      current->fields.push_back(std::move(f));
    }
  }
  for (const auto& [name, m] : messages_) CHECK(m.name == name);
}

const MethodDesc* Schema::by_http_path(std::string_view path) const {
  const auto it = http_.find(path);
  return it == http_.end() ? nullptr : it->second;
}
const MessageDesc* Schema::message(std::string_view name) const {
  const auto it = messages_.find(name);
  return it == messages_.end() ? nullptr : &it->second;
}

}  // namespace keelson::kvstore::etcd
