// api/doctor_watch.h: the server looks at its machine (doctor/facts.h): at the start, a minute later,
// once an hour, and when somebody asks.
//
// Invariant: one look at a time. No speed is measured and no disk asked for its health, which would
//            keep recording waiting. What is new is logged once: errors and warnings as warnings.
// Threads:   looks on one of its own, at a low priority, which may hang with a disk; the rest on any.
// Errors:    what cannot be looked at is a finding.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "doctor/finding.h"
#include "doctor/machine.h"

namespace lookback::api {

struct Context;

class DoctorWatch {
 public:
  static constexpr int64_t kSettleUs = kUsPerMinute;  // By then cameras send.
  static constexpr int64_t kIntervalUs = kUsPerHour;
  static constexpr int64_t kFreshUs = 5 * kUsPerSecond;  // So old an answer is fresh,
  static constexpr int64_t kWaitUs = 5 * kUsPerSecond;   // and so long one is waited for.

  // `context`, and `machine` where it is not null, must outlive it.
  DoctorWatch(Context& context, doctor::Machine* machine);
  ~DoctorWatch();
  DoctorWatch(const DoctorWatch&) = delete;
  DoctorWatch& operator=(const DoctorWatch&) = delete;

  void StartThread();
  void Stop();

  // What was found last; nothing, with `at_us` 0, before the first look is over.
  doctor::Report Last() const;
  // The same, by a look that is no older than kFreshUs; an older one where that takes too long. While
  // there is no thread, the caller looks.
  doctor::Report Fresh();

 private:
  void Look();
  void Tell(const doctor::Report& report);

  Context& context_;
  std::unique_ptr<doctor::Machine> own_machine_;
  doctor::Machine& machine_;
  std::thread thread_;
  mutable std::mutex mutex_;  // Guards the rest.
  std::condition_variable wake_;
  std::condition_variable looked_;
  bool stopping_ = false;
  bool asked_ = false;
  doctor::Report last_;
  int64_t last_monotonic_us_ = 0;
  std::set<std::string> told_;  // The looking thread's alone.
};

}  // namespace lookback::api
