// RunBoth: how pure code lets two pieces of work go on at once. Its owner says how: on two threads
// (kvstore/backend/backend.h), or one after the other.
#pragma once

#include <functional>

namespace keelson::kvstore {

// Runs both; returns when both have ended.
using RunBoth = std::function<void(const std::function<void()>&, const std::function<void()>&)>;

inline void run_in_turn(const std::function<void()>& a, const std::function<void()>& b) {
  a();
  b();
}

}  // namespace keelson::kvstore
