// Error and Result<T>: how every fallible function of Keelson answers (DESIGN.md §6).
//
// `code` is one of gRPC's canonical codes; the edges map it once, to a gRPC status or (api/status.h) to a
// Kubernetes Status. `detail` optionally carries what an edge needs beyond code and message, e.g. the reason
// and causes of a Kubernetes Status; it is immutable and shared.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace keelson {

// Values are gRPC's own, so that the gRPC edge is a cast.
enum class Code : std::uint8_t {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

std::string_view code_name(Code code);

// Base of what Error::detail may point to.
struct ErrorDetail {
  virtual ~ErrorDetail() = default;
};

struct Error {
  Code code = Code::kUnknown;
  std::string message;
  std::shared_ptr<const ErrorDetail> detail = nullptr;

  // "not_found: key is gone": for logs.
  std::string to_string() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message), nullptr});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace keelson

// TRY(expr): the value of a Result, or return its error from this function. CO_TRY: the same in a coroutine.
#define TRY(expr)                                                              \
  ({                                                                           \
    auto try_result_ = (expr);                                                 \
    if (!try_result_) return std::unexpected(std::move(try_result_).error());  \
    *std::move(try_result_);                                                   \
  })
// Clang forbids nothing here, but keep the co_await outside: CO_TRY(co_await f()) is fine.
#define CO_TRY(expr)                                                              \
  ({                                                                              \
    auto try_result_ = (expr);                                                    \
    if (!try_result_) co_return std::unexpected(std::move(try_result_).error());  \
    *std::move(try_result_);                                                      \
  })
