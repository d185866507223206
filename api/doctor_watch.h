// api/doctor_watch.h: the server looks at its machine (doctor/facts.h): at the start, a minute
// later, once an hour, and when somebody asks.
//
// Invariant: one look at a time. No speed is measured and no disk asked for its health, which would
//            keep recording waiting. What is new is logged once: errors and warnings as warnings.
// Threads:   one of its own, at a low priority, asks another one to look at the machine. That one
//            may hang with a disk: Stop() waits for it kStopWaitUs, and then leaves it to what they
//            share, which has nothing of the server. The rest on any.
// Errors:    what cannot be looked at is a finding.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "doctor/facts.h"

namespace lookback::api {

struct Context;

class DoctorWatch {
 public:
  static constexpr int64_t kSettleUs = kUsPerMinute;  // By then cameras send.
  static constexpr int64_t kIntervalUs = kUsPerHour;
  static constexpr int64_t kFreshUs = 5 * kUsPerSecond;  // So old an answer is fresh,
  static constexpr int64_t kWaitUs = 5 * kUsPerSecond;   // and so long one is waited for.
  static constexpr int64_t kStopWaitUs = kUsPerSecond;

  // `context` must outlive it. `machine` is that of the server's own where it is null.
  DoctorWatch(Context& context, std::shared_ptr<doctor::Machine> machine);
  ~DoctorWatch();
  DoctorWatch(const DoctorWatch&) = delete;
  DoctorWatch& operator=(const DoctorWatch&) = delete;

  void StartThread();
  void Stop();

  // What was found last; nothing, with `at_us` 0, before the first look is over.
  doctor::Report Last() const;
  // The same, by a look that is no older than kFreshUs; an older one where that takes too long.
  // While there is no thread, the caller looks.
  doctor::Report Fresh();

 private:
  // What the thread that looks at the machine has, and lives as long as that.
  struct Looking {
    std::shared_ptr<doctor::Machine> machine;
    std::mutex mutex;  // Guards the rest.
    std::condition_variable wake;
    bool stopping = false;
    bool ended = false;  // It has nothing more to do.
    std::optional<doctor::Question> question;
    std::optional<doctor::Facts> facts;

    void Run();
  };

  void Run();
  std::optional<doctor::Facts> AskLooking(doctor::Question question);
  void Use(doctor::Facts facts);
  void Tell(const doctor::Report& report);

  Context& context_;
  const std::shared_ptr<Looking> looking_;
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
