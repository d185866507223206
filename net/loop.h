// net/loop.h: one libuv loop on one thread, and how other threads speak to it.
//
// Rules of handles, stated once:
//   - A uv_* handle is made, used and closed on its loop's thread, lives in a heap cell that never
//     moves, and is freed in its close callback. Wrappers own the cell, so destroying a wrapper
//     from its own callback is fine.
//   - A loop drains before it closes: Stop() runs what was posted, then closes what is left.
//
// Threads:   Post and Stop on any; Run on the loop's; everything else on the loop's.
// Errors:    Post is false after Stop.
#pragma once

#include <functional>
#include <memory>

typedef struct uv_loop_s uv_loop_t;

namespace lookback::net {

class Loop {
 public:
  Loop();
  ~Loop();  // Run() must have returned, or never been called.
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves events until Stop().
  void Run();
  void Stop();

  // Runs `task` on the loop's thread, in order of posting.
  bool Post(std::function<void()> task);

  // For the wrappers of this folder.
  uv_loop_t* uv();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A repeating or single timer. Destroying it stops it.
class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Once(int64_t delay_us, std::function<void()> task);
  void Every(int64_t period_us, std::function<void()> task);
  void Cancel();

 private:
  struct Cell;
  Cell* cell_;
};

}  // namespace lookback::net
