// bench/cpu_time.h: what work cost, which a busy machine lengthens less than wall time.
#pragma once

#include <sys/resource.h>

namespace lookback::bench {

// User and system time of the process, its background threads too (RUSAGE_SELF), of the calling
// thread (RUSAGE_THREAD), or of children that were waited for (RUSAGE_CHILDREN).
inline double CpuSeconds(int who = RUSAGE_SELF) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace lookback::bench
