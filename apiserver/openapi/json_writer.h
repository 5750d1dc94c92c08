// JsonWriter: appends compact JSON to a string, minding the commas. Thread rule: as any value type.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"

namespace keelson::apiserver {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& key(std::string_view name) {
    comma();
    api::append_json_string(out_, name);
    out_ += ':';
    return *this;
  }
  void begin_object() { open('{'); }
  void end_object() { out_ += '}'; }
  void begin_array() { open('['); }
  void end_array() { out_ += ']'; }
  void string(std::string_view v) {
    comma();
    api::append_json_string(out_, v);
  }
  void boolean(bool v) { raw(v ? "true" : "false"); }
  // JSON text as it is.
  void raw(std::string_view json) {
    comma();
    out_ += json;
  }
  // key and string value.
  void member(std::string_view name, std::string_view v) { key(name).string(v); }

 private:
  void open(char c) {
    comma();
    out_ += c;
  }
  void comma() {
    if (out_.empty()) return;
    const char last = out_.back();
    if (last != '{' && last != '[' && last != ':' && last != ',') out_ += ',';
  }
  std::string& out_;
};

}  // namespace keelson::apiserver
