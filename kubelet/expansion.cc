#include "kubelet/expansion.h"

namespace keelson::kubelet {

std::string expand_variables(std::string_view text, const Variables& variables) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const std::size_t close = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (close != std::string_view::npos) {
      const auto it = variables.find(std::string(text.substr(i + 2, close - i - 2)));
      out += it == variables.end() ? std::string(text.substr(i, close - i + 1)) : it->second;
      i = close;
    } else {
      out += '$';
      if (text[i + 1] == '(') {  // "$(" without an end: both stay
        out += '(';
        ++i;
      }
    }
  }
  return out;
}

}  // namespace keelson::kubelet
