#include "apiserver/openapi/gnostic.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "base/wire.h"

// Field numbers are those of gnostic's openapiv2/OpenAPIv2.proto.
namespace keelson::apiserver {
namespace {

namespace json = boost::json;
using wire::Writer;

// A submessage: written by `body`, closed at the end of scope.
template <class F>
void message(Writer& w, std::uint32_t field, F&& body) {
  const std::size_t mark = w.begin(field);
  body();
  w.end(mark);
}

void text(Writer& w, std::uint32_t field, const json::object& o, std::string_view member) {
  if (const json::value* v = o.if_contains(member)) w.bytes(field, std::string_view(v->as_string()));
}
void flag(Writer& w, std::uint32_t field, const json::object& o, std::string_view member) {
  if (const json::value* v = o.if_contains(member); v && v->as_bool()) w.boolean(field, true);
}
void texts(Writer& w, std::uint32_t field, const json::object& o, std::string_view member) {
  if (const json::value* v = o.if_contains(member))
    for (const json::value& e : v->as_array()) w.bytes(field, std::string_view(e.as_string()));
}

// NamedAny of every x-… member; Any holds YAML, of which JSON is a part.
void extensions(Writer& w, std::uint32_t field, const json::object& o) {
  for (const auto& m : o) {
    if (!m.key().starts_with("x-")) continue;
    message(w, field, [&] {
      w.bytes(1, std::string_view(m.key()));
      message(w, 2, [&] { w.bytes(2, json::serialize(m.value()) + "\n"); });
    });
  }
}

void schema(Writer& w, const json::object& o) {
  text(w, 1, o, "$ref");
  text(w, 2, o, "format");
  text(w, 4, o, "description");
  texts(w, 19, o, "required");
  if (const json::value* v = o.if_contains("additionalProperties"))
    message(w, 21, [&] { message(w, 1, [&] { schema(w, v->as_object()); }); });
  if (const json::value* v = o.if_contains("type"))
    message(w, 22, [&] { w.bytes(1, std::string_view(v->as_string())); });
  if (const json::value* v = o.if_contains("items"))
    message(w, 23, [&] { message(w, 1, [&] { schema(w, v->as_object()); }); });
  if (const json::value* v = o.if_contains("properties"))
    message(w, 25, [&] {
      for (const auto& p : v->as_object())
        message(w, 1, [&] {
          w.bytes(1, std::string_view(p.key()));
          message(w, 2, [&] { schema(w, p.value().as_object()); });
        });
    });
  extensions(w, 31, o);
}

// ParametersItem{parameter}.
void parameter(Writer& w, const json::object& o) {
  const std::string_view in = o.at("in").as_string();
  message(w, 1, [&] {
    if (in == "body") {
      message(w, 1, [&] {
        text(w, 1, o, "description");
        text(w, 2, o, "name");
        text(w, 3, o, "in");
        flag(w, 4, o, "required");
        message(w, 5, [&] { schema(w, o.at("schema").as_object()); });
      });
      return;
    }
    // NonBodyParameter: a query or a path parameter; their numbers differ from 5 on.
    const bool query = in == "query";
    message(w, 2, [&] {
      message(w, query ? 3 : 4, [&] {
        flag(w, 1, o, "required");
        text(w, 2, o, "in");
        text(w, 3, o, "description");
        text(w, 4, o, "name");
        text(w, query ? 6 : 5, o, "type");
        flag(w, query ? 20 : 19, o, "uniqueItems");
      });
    });
  });
}

void operation(Writer& w, const json::object& o) {
  texts(w, 1, o, "tags");
  text(w, 3, o, "description");
  text(w, 5, o, "operationId");
  texts(w, 6, o, "produces");
  texts(w, 7, o, "consumes");
  if (const json::value* v = o.if_contains("parameters"))
    for (const json::value& p : v->as_array()) message(w, 8, [&] { parameter(w, p.as_object()); });
  message(w, 9, [&] {
    for (const auto& r : o.at("responses").as_object())
      message(w, 1, [&] {
        w.bytes(1, std::string_view(r.key()));
        message(w, 2, [&] {
          message(w, 1, [&] {
            const json::object& reply = r.value().as_object();
            text(w, 1, reply, "description");
            if (const json::value* s = reply.if_contains("schema"))
              message(w, 2, [&] { message(w, 1, [&] { schema(w, s->as_object()); }); });
          });
        });
      });
  });
  texts(w, 10, o, "schemes");
  extensions(w, 13, o);
}

void path_item(Writer& w, const json::object& o) {
  static constexpr std::pair<std::string_view, std::uint32_t> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  for (const auto& [method, field] : kMethods)
    if (const json::value* v = o.if_contains(method))
      message(w, field, [&] { operation(w, v->as_object()); });
  if (const json::value* v = o.if_contains("parameters"))
    for (const json::value& p : v->as_array()) message(w, 9, [&] { parameter(w, p.as_object()); });
}

void security(Writer& w, const json::object& doc) {
  for (const json::value& requirement : doc.at("security").as_array())
    message(w, 12, [&] {
      for (const auto& m : requirement.as_object())
        message(w, 1, [&] {
          w.bytes(1, std::string_view(m.key()));
          message(w, 2, [] {});
        });
    });
  message(w, 13, [&] {
    for (const auto& m : doc.at("securityDefinitions").as_object())
      message(w, 1, [&] {
        w.bytes(1, std::string_view(m.key()));
        message(w, 2, [&] {
          message(w, 2, [&] {
            const json::object& key = m.value().as_object();
            text(w, 1, key, "type");
            text(w, 2, key, "name");
            text(w, 3, key, "in");
            text(w, 4, key, "description");
          });
        });
      });
  });
}

}  // namespace

std::string gnostic_v2(std::string_view text_of_document) {
  const json::value parsed = json::parse(text_of_document);
  const json::object& doc = parsed.as_object();
  std::string out;
  Writer w(out);
  text(w, 1, doc, "swagger");
  message(w, 2, [&] {
    text(w, 1, doc.at("info").as_object(), "title");
    text(w, 2, doc.at("info").as_object(), "version");
  });
  // Each part is written apart and then put in: end() moves what was written since begin().
  std::string part;
  message(w, 8, [&] {
    for (const auto& p : doc.at("paths").as_object()) {
      part.clear();
      Writer item(part);
      item.bytes(1, std::string_view(p.key()));
      message(item, 2, [&] { path_item(item, p.value().as_object()); });
      w.bytes(2, part);
    }
  });
  message(w, 9, [&] {
    for (const auto& d : doc.at("definitions").as_object()) {
      part.clear();
      Writer item(part);
      item.bytes(1, std::string_view(d.key()));
      message(item, 2, [&] { schema(item, d.value().as_object()); });
      w.bytes(1, part);
    }
  });
  security(w, doc);
  return out;
}

}  // namespace keelson::apiserver
