// ProbeState: what a row of probe results means (thresholds). Pure; one per container and kind of probe.
#pragma once

#include <cstdint>

namespace keelson::kubelet {

enum class ProbeResult : std::uint8_t { kUnknown, kSuccess, kFailure };

// A probe's numbers with upstream's defaults applied (the API server has defaulted them; zero falls back here
// too).
struct ProbeTiming {
  std::int64_t initial_delay_s = 0;
  std::int64_t timeout_s = 1;
  std::int64_t period_s = 10;
  std::int64_t success_threshold = 1;
  std::int64_t failure_threshold = 3;
};

class ProbeState {
 public:
  ProbeState(ProbeTiming timing, ProbeResult initial) : timing_(timing), settled_(initial) {}

  // Feeds one result; true when the settled result changed.
  bool feed(bool success) {
    const ProbeResult seen = success ? ProbeResult::kSuccess : ProbeResult::kFailure;
    run_ = seen == last_ ? run_ + 1 : 1;
    last_ = seen;
    const std::int64_t need = success ? timing_.success_threshold : timing_.failure_threshold;
    if (run_ < need || settled_ == seen) return false;
    settled_ = seen;
    return true;
  }
  ProbeResult settled() const { return settled_; }
  const ProbeTiming& timing() const { return timing_; }

 private:
  ProbeTiming timing_;
  ProbeResult settled_;
  ProbeResult last_ = ProbeResult::kUnknown;
  std::int64_t run_ = 0;
};

}  // namespace keelson::kubelet
