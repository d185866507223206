// apps/camera_sim/pacer.h: the thread that gives every camera its turn at its time.
//
// Invariant: a camera's frames are delivered in order, none before it is due. After a stall those
//            that are overdue go out at once: frame numbers go on by the clock.
// Threads:   owns one; Stop() on any other.
// Errors:    none.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/camera_sim/camera.h"
#include "base/clock.h"

namespace lookback::camera_sim {

class Pacer {
 public:
  // `cameras` and `clock` outlive the pacer.
  Pacer(std::vector<Camera*> cameras, const Clock& clock);
  ~Pacer() { Stop(); }
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  // No camera delivers after it.
  void Stop();

 private:
  void Run();
  bool WaitUntil(int64_t due_us);

  const std::vector<Camera*> cameras_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lookback::camera_sim
