// yaml_to_json(): libyaml's parser (go-yaml is a port of it, so grammar and messages agree), go-yaml's
// meaning of scalars.
#include <fmt/format.h>
#include <yaml.h>

#include <cmath>
#include <deque>
#include <map>
#include <string>

#include "api/field_error.h"
#include "api/json.h"
#include "api/yaml.h"
#include "api/yaml/resolve.h"
#include "base/base64.h"

namespace keelson::api {

namespace {

using yaml::Kind;

constexpr int kMaxDepth = 1000;

struct Node {
  enum class Type { kScalar, kSequence, kMapping, kAlias };
  Type type = Type::kScalar;
  std::string text;
  std::string tag;
  bool plain = false;  // no tag and not quoted: to be resolved
  std::size_t line = 0;
  std::vector<Node*> children;  // of a mapping: key, value, key, value …
  Node* target = nullptr;       // of an alias
};

struct Failure {
  std::string message;
};

class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  yaml_event_t* operator->() { return &event_; }
  yaml_event_t* get() { return &event_; }

 private:
  yaml_event_t event_{};
};

std::string text_of(const yaml_char_t* s) {
  return s != nullptr ? reinterpret_cast<const char*>(s) : "";
}

// Reads one document into nodes. Throws Failure.
class Composer {
 public:
  explicit Composer(std::string_view text) {
    CHECK(yaml_parser_initialize(&parser_) == 1);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Composer() { yaml_parser_delete(&parser_); }
  Composer(const Composer&) = delete;
  Composer& operator=(const Composer&) = delete;

  // Null for an empty stream.
  Node* document() {
    {
      Event start;
      next(start);
    }
    Event event;
    next(event);
    if (event->type == YAML_STREAM_END_EVENT) return nullptr;
    Event root;
    next(root);
    return node(root, 0);
  }

 private:
  void next(Event& event) {
    if (yaml_parser_parse(&parser_, event.get()) == 1) return;
    std::size_t line = 0;
    if (parser_.problem_mark.line != 0)
      line = parser_.problem_mark.line + (parser_.error == YAML_SCANNER_ERROR ? 1 : 0);
    else if (parser_.context_mark.line != 0)
      line = parser_.context_mark.line;
    const char* problem =
        parser_.problem != nullptr ? parser_.problem : "unknown problem parsing YAML content";
    throw Failure{line != 0 ? fmt::format("yaml: line {}: {}", line, problem)
                            : fmt::format("yaml: {}", problem)};
  }

  Node* make(Node::Type type, Event& event, const yaml_char_t* anchor, const yaml_char_t* tag) {
    Node& out = nodes_.emplace_back();
    out.type = type;
    out.line = event->start_mark.line;
    out.tag = text_of(tag);
    if (anchor != nullptr) anchors_[text_of(anchor)] = &out;
    return &out;
  }

  Node* node(Event& event, int depth) {
    if (depth > kMaxDepth) throw Failure{"yaml: exceeded max depth"};
    switch (event->type) {
      case YAML_SCALAR_EVENT: {
        Node* out = make(Node::Type::kScalar, event, event->data.scalar.anchor, event->data.scalar.tag);
        out->text.assign(reinterpret_cast<const char*>(event->data.scalar.value), event->data.scalar.length);
        out->plain = event->data.scalar.plain_implicit != 0;
        return out;
      }
      case YAML_ALIAS_EVENT: {
        const std::string name = text_of(event->data.alias.anchor);
        const auto at = anchors_.find(name);
        if (at == anchors_.end()) throw Failure{fmt::format("yaml: unknown anchor '{}' referenced", name)};
        Node* out = make(Node::Type::kAlias, event, nullptr, nullptr);
        out->text = name;
        out->target = at->second;
        return out;
      }
      case YAML_SEQUENCE_START_EVENT: {
        Node* out = make(Node::Type::kSequence, event, event->data.sequence_start.anchor,
                         event->data.sequence_start.tag);
        gather(*out, YAML_SEQUENCE_END_EVENT, depth);
        return out;
      }
      case YAML_MAPPING_START_EVENT: {
        Node* out = make(Node::Type::kMapping, event, event->data.mapping_start.anchor,
                         event->data.mapping_start.tag);
        gather(*out, YAML_MAPPING_END_EVENT, depth);
        return out;
      }
      default:
        throw Failure{"yaml: unknown problem parsing YAML content"};
    }
  }

  void gather(Node& into, yaml_event_type_t end, int depth) {
    for (;;) {
      Event event;
      next(event);
      if (event->type == end) return;
      into.children.push_back(node(event, depth + 1));
    }
  }

  yaml_parser_t parser_{};
  std::deque<Node> nodes_;
  std::map<std::string, Node*> anchors_;
};

// Writes nodes as JSON, mappings sorted by key.
class Writer {
 public:
  explicit Writer(YamlAsJson& out) : out_(out) {}

  void value(std::string& json, const Node& node, int depth = 0) {
    if (depth > kMaxDepth) throw Failure{"yaml: exceeded max depth"};
    ++decoded_;
    if (aliases_ > 0) ++from_aliases_;
    if (from_aliases_ > 100 && decoded_ > 1000 &&
        static_cast<double>(from_aliases_) / decoded_ > allowed_ratio())
      throw Failure{"yaml: document contains excessive aliasing"};
    switch (node.type) {
      case Node::Type::kScalar:
        json += scalar(node);
        return;
      case Node::Type::kAlias:
        if (open_[&node]++ > 0)
          throw Failure{fmt::format("yaml: anchor '{}' value contains itself", node.text)};
        ++aliases_;
        value(json, *node.target, depth + 1);
        --aliases_;
        open_[&node] = 0;
        return;
      case Node::Type::kSequence: {
        json += '[';
        bool first = true;
        for (const Node* item : node.children) {
          if (!first) json += ',';
          first = false;
          value(json, *item, depth + 1);
        }
        json += ']';
        return;
      }
      case Node::Type::kMapping: {
        std::map<std::string, std::string> members;
        mapping(members, node, depth);
        json += '{';
        bool first = true;
        for (const auto& [key, text] : members) {
          if (!first) json += ',';
          first = false;
          append_json_string(json, key);
          json += ':';
          json += text;
        }
        json += '}';
        return;
      }
    }
  }

 private:
  // go-yaml's guard against documents that multiply by aliases.
  double allowed_ratio() const {
    constexpr double kLow = 400000, kHigh = 4000000;
    if (decoded_ <= kLow) return 0.99;
    if (decoded_ >= kHigh) return 0.10;
    return 0.99 - 0.89 * (decoded_ - kLow) / (kHigh - kLow);
  }

  void mapping(std::map<std::string, std::string>& members, const Node& node, int depth) {
    for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
      const Node& key = *node.children[i];
      const Node& item = *node.children[i + 1];
      if (key.type == Node::Type::kScalar && key.text == "<<" &&
          (key.plain || key.tag == "tag:yaml.org,2002:merge")) {
        merge(members, item, depth + 1);
        continue;
      }
      bool is_string = true;
      const std::string name = key_text(key, is_string);
      std::string json;
      value(json, item, depth + 1);
      const auto [at, added] = members.insert_or_assign(name, std::move(json));
      if (!added)
        out_.duplicate_keys.push_back(fmt::format("line {}: key {} already set in map", item.line + 1,
                                                  is_string ? field::go_quote(name) : name));
    }
  }

  void merge(std::map<std::string, std::string>& members, const Node& from, int depth) {
    if (depth > kMaxDepth) throw Failure{"yaml: exceeded max depth"};
    const Node& node = from.type == Node::Type::kAlias ? *from.target : from;
    if (node.type == Node::Type::kMapping) return mapping(members, node, depth);
    if (node.type != Node::Type::kSequence || from.type == Node::Type::kAlias)
      throw Failure{"yaml: map merge requires map or sequence of maps as the value"};
    for (std::size_t i = node.children.size(); i-- > 0;) {
      const Node* item = node.children[i];
      if (item->type == Node::Type::kAlias) item = item->target;
      if (item->type != Node::Type::kMapping)
        throw Failure{"yaml: map merge requires map or sequence of maps as the value"};
      mapping(members, *item, depth);
    }
  }

  std::string key_text(const Node& node, bool& is_string) {
    const Node& key = node.type == Node::Type::kAlias ? *node.target : node;
    if (key.type != Node::Type::kScalar) throw Failure{"yaml: invalid map key: a map or a sequence"};
    if (!to_be_resolved(key)) return key.text;
    const yaml::Scalar s = yaml::resolve(key.text);
    is_string = s.kind == Kind::kString || s.kind == Kind::kTimestamp;
    switch (s.kind) {
      case Kind::kBool:
        return s.boolean ? "true" : "false";
      case Kind::kInt:
        return std::to_string(s.integer);
      case Kind::kUint:
        return std::to_string(s.unsigned_integer);
      case Kind::kFloat:
        return yaml::format_float(static_cast<float>(s.real));
      case Kind::kNull:
        throw Failure{"unsupported map key of type: %!s(<nil>), key: <nil>"};
      default:
        return key.text;
    }
  }

  static bool to_be_resolved(const Node& node) {
    return node.plain || node.tag == "tag:yaml.org,2002:bool" || node.tag == "tag:yaml.org,2002:int" ||
           node.tag == "tag:yaml.org,2002:float" || node.tag == "tag:yaml.org,2002:null";
  }

  // An explicit !!int, !!float … must fit what the text is; an int is taken for a float.
  static void check_tag(const Node& node, yaml::Scalar& s) {
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    const std::string_view wanted = std::string_view(node.tag).substr(kPrefix.size());
    if (wanted == "float" && s.kind == Kind::kInt) {
      s.kind = Kind::kFloat;
      s.real = static_cast<double>(s.integer);
    }
    constexpr std::string_view kNames[] = {"str", "null", "bool", "int", "int", "float", "timestamp"};
    const std::string_view is = kNames[static_cast<std::size_t>(s.kind)];
    if (is != wanted)
      throw Failure{fmt::format("yaml: cannot decode !!{} `{}` as a !!{}", is, node.text, wanted)};
  }

  std::string scalar(const Node& node) {
    std::string json;
    if (node.tag == "tag:yaml.org,2002:binary") {
      const std::optional<std::string> data = base64_decode(node.text);
      if (!data) throw Failure{"yaml: !!binary value contains invalid base64 data"};
      append_json_string(json, *data);
      return json;
    }
    if (!to_be_resolved(node)) {
      append_json_string(json, node.text);
      return json;
    }
    yaml::Scalar s = yaml::resolve(node.text);
    if (!node.plain) check_tag(node, s);
    switch (s.kind) {
      case Kind::kNull:
        return "null";
      case Kind::kBool:
        return s.boolean ? "true" : "false";
      case Kind::kInt:
        return std::to_string(s.integer);
      case Kind::kUint:
        return std::to_string(s.unsigned_integer);
      case Kind::kFloat:
        if (std::isnan(s.real)) throw Failure{"json: unsupported value: NaN"};
        if (std::isinf(s.real))
          throw Failure{s.real > 0 ? "json: unsupported value: +Inf" : "json: unsupported value: -Inf"};
        append_json_double(json, s.real);
        return json;
      default:
        append_json_string(json, node.text);
        return json;
    }
  }

  YamlAsJson& out_;
  std::map<const Node*, int> open_;
  int aliases_ = 0;
  double decoded_ = 0;
  double from_aliases_ = 0;
};

}  // namespace

Result<YamlAsJson> yaml_to_json(std::string_view yaml) {
  YamlAsJson out;
  try {
    Composer composer(yaml);
    const Node* root = composer.document();
    if (root == nullptr)
      out.json = "null";
    else
      Writer(out).value(out.json, *root);
  } catch (const Failure& failure) {
    return fail(Code::kInvalidArgument, failure.message);
  }
  return out;
}

}  // namespace keelson::api
