#include "base/clock.h"

#include <sys/timex.h>
#include <time.h>

namespace lookback {
namespace {

int64_t ReadUs(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * kUsPerSecond + t.tv_nsec / 1000;
}

}  // namespace

TimeUs SystemClock::NowUs() const { return ReadUs(CLOCK_REALTIME); }

int64_t SystemClock::MonotonicUs() const { return ReadUs(CLOCK_BOOTTIME); }

bool SystemClock::Synchronised() const {
  timex state{};
  const int rc = adjtimex(&state);
  return rc != -1 && rc != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

}  // namespace lookback
