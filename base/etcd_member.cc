#include "base/etcd_member.h"

#include "base/log.h"

namespace keelson {
namespace {

void append_texts(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, texts[i]);
  }
  out += ']';
}

}  // namespace

void append_json(std::string& out, const EtcdMember& m) {
  out += "{\"id\":" + std::to_string(m.id) + ",\"peerURLs\":";
  append_texts(out, m.peer_urls);
  if (m.learner) out += ",\"isLearner\":true";
  if (!m.name.empty()) {
    out += ",\"name\":";
    append_json_string(out, m.name);
  }
  if (!m.client_urls.empty()) {
    out += ",\"clientURLs\":";
    append_texts(out, m.client_urls);
  }
  out += '}';
}

}  // namespace keelson
