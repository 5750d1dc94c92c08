// Failpoints: places where a program may be told from outside to pause, to end or to fail, in the language of
// etcd's gofail, so that etcd's own tests of robustness can drive this one. A component holds a Failpoint for
// each of its places, made from the set it was handed; without a set (production, the simulator) a place
// costs the look at a null pointer.
//
//   const Failpoint before_save_{options.failpoints, "raftBeforeSave"};
//   …
//   before_save_.hit();                          on a thread of its own
//   co_await pass(before_save_, clock_);         in a coroutine: only this one pauses
//
// Terms:  term ("->" term)*
//   term:   (N* | P%)* action [ "(" [ int | bool | "text" ] ")" ]     100% when nothing is said
//   action: off | print | panic | return (a value, to places that take one) | sleep (milliseconds, or "1.5s")
// The first term of the chain whose counts and chances allow it is carried out: `2*sleep(10)->panic`.
//
// Thread rule: any thread. A set outlives the Failpoints made from it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"

namespace keelson {

namespace failpoint {
struct Terms;
struct Point;
}  // namespace failpoint

// What the terms do to the world; injected by the owner of the process. All are REQUIRED.
struct FailpointWorld {
  std::function<void(Duration)> sleep;                 // of the calling thread
  std::function<void(const std::string& text)> panic;  // ends the process at once; tests let it return
  std::function<void(const std::string& text)> print;
  std::function<double()> random;  // in [0, 1)
};

class Failpoints {
 public:
  explicit Failpoints(FailpointWorld world);
  ~Failpoints();
  Failpoints(const Failpoints&) = delete;
  Failpoints& operator=(const Failpoints&) = delete;

  // `name=terms;name=terms…` for places that are still to come. kInvalidArgument: nothing was taken.
  Result<void> preset(std::string_view text);
  // Names of preset() that no place has claimed.
  std::vector<std::string> unclaimed() const;

  // kNotFound: there is no such place. kInvalidArgument: no terms.
  Result<void> enable(const std::string& name, std::string_view terms);
  // The same for `name=terms;…`, up to the first error.
  Result<void> enable_all(std::string_view text);
  // kNotFound; kFailedPrecondition: it is disabled already. A sleep under way goes on.
  Result<void> disable(const std::string& name);
  struct Status {
    std::string terms;        // as they were given; empty: disabled
    std::uint64_t count = 0;  // how often one of them was carried out
  };
  // kNotFound.
  Result<Status> status(const std::string& name) const;
  // All places and their terms, by name.
  std::vector<std::pair<std::string, std::string>> list() const;

 private:
  friend class Failpoint;
  failpoint::Point* claim(const std::string& name);
  failpoint::Point* find(const std::string& name) const;

  const FailpointWorld world_;
  mutable std::mutex mu_;
  std::map<std::string, std::unique_ptr<failpoint::Point>> points_;
  std::map<std::string, std::string> preset_;
};

// One place. Cheap to copy.
class Failpoint {
 public:
  // A place where nothing ever happens.
  Failpoint() = default;
  // Several places may share a name: they are one to who sets it. `set` may be null.
  Failpoint(Failpoints* set, const std::string& name) : point_(set != nullptr ? set->claim(name) : nullptr) {}

  // There is a set: it may do something some day.
  explicit operator bool() const { return point_ != nullptr; }

  struct Effect {
    Duration sleep{};                  // the caller is to pause for so long
    std::optional<std::string> value;  // of a `return`; empty text where it names none
  };
  // Carries out its terms, but for what is left to the caller.
  Effect take() const {
    if (point_ == nullptr) [[likely]]
      return {};
    return evaluate();
  }
  // Carries out its terms; a sleep is this thread's. A value is lost.
  void hit() const {
    if (point_ == nullptr) [[likely]]
      return;
    block();
  }

 private:
  Effect evaluate() const;
  void block() const;
  failpoint::Point* point_ = nullptr;
};

// As hit() in a coroutine. `clock` outlives the task.
Task<> pass(Failpoint place, Clock& clock);

}  // namespace keelson
