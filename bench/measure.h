// Times a function: CPU time of this thread, median of 15 rounds of about 20 ms.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace keelson::bench {

inline volatile std::size_t sink = 0;

// Prints `name` and the time of one call; `f` returns something that depends on its work.
template <class F>
void measure(const char* name, F&& f) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
  };
  const auto run = [&](int n) {
    const double start = now();
    for (int i = 0; i < n; ++i) sink = sink + f();
    return (now() - start) / n;
  };
  int n = 64;
  while (run(n) * n < 20e6) n *= 2;
  std::vector<double> rounds;
  for (int i = 0; i < 15; ++i) rounds.push_back(run(n));
  std::ranges::nth_element(rounds, rounds.begin() + 7);
  std::printf("%-46s %9.2f us\n", name, rounds[7] / 1000);
}

}  // namespace keelson::bench
