// CHECK: invariants that hold in release builds too. A failed CHECK prints file, line and text and aborts:
// a broken invariant or failed durability must stop the process (DESIGN.md §6).
// DCHECK is for checks that cost O(n): compiled out where NDEBUG is set.
#pragma once

namespace keelson::detail {
[[noreturn]] void check_failed(const char* file, int line, const char* what);
}

#define CHECK(cond) \
  (static_cast<bool>(cond) ? (void)0 : ::keelson::detail::check_failed(__FILE__, __LINE__, #cond))
#define CHECK_MSG(cond, msg) \
  (static_cast<bool>(cond) ? (void)0 : ::keelson::detail::check_failed(__FILE__, __LINE__, (msg)))
#ifdef NDEBUG
#define DCHECK(cond) ((void)sizeof(!(cond)))
#else
#define DCHECK(cond) CHECK(cond)
#endif
