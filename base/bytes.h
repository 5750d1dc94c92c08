// Bytes: an immutable byte string that many owners share without copying: log, tree, watchers, replies.
// A Bytes is a view plus a reference to whatever keeps the memory alive. Copying costs one atomic increment.
// Thread rule: as shared_ptr<const T>: distinct copies may be used from distinct threads.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace keelson {

class Bytes {
 public:
  Bytes() = default;
  // Takes ownership of `s`.
  explicit Bytes(std::string s) {
    auto owned = std::make_shared<const std::string>(std::move(s));
    view_ = *owned;
    owner_ = std::move(owned);
  }
  // REQUIRES: `view` stays valid as long as `owner` lives. A null owner means static storage.
  Bytes(std::shared_ptr<const void> owner, std::string_view view) : owner_(std::move(owner)), view_(view) {}
  static Bytes literal(std::string_view s) { return Bytes(nullptr, s); }
  static Bytes copy(std::string_view s) { return Bytes(std::string(s)); }

  std::string_view view() const { return view_; }
  operator std::string_view() const { return view_; }
  const char* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  // A part of this one, sharing its memory. REQUIRES: pos <= size().
  Bytes slice(std::size_t pos, std::size_t n = std::string_view::npos) const {
    return Bytes(owner_, view_.substr(pos, n));
  }
  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace keelson
