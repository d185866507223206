#include "net/loop.h"

#include <uv.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/result.h"

namespace lookback::net {

struct Loop::State {
  uv_loop_t loop;
  uv_async_t wake;
  std::mutex mutex;
  std::vector<std::function<void()>> posted;
  bool stopped = false;

  // True when the loop is to stop once these tasks ran.
  bool RunPosted() {
    std::vector<std::function<void()>> tasks;
    bool stop = false;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(posted);
      stop = stopped;
    }
    for (auto& task : tasks) task();
    return stop;
  }
};

Loop::Loop() : state_(std::make_unique<State>()) {
  LB_CHECK(uv_loop_init(&state_->loop) == 0);
  state_->wake.data = state_.get();
  const auto on_wake = [](uv_async_t* wake) {
    auto* state = static_cast<State*>(wake->data);
    if (state->RunPosted()) uv_stop(&state->loop);
  };
  LB_CHECK(uv_async_init(&state_->loop, &state_->wake, on_wake) == 0);
}

Loop::~Loop() {
  uv_walk(
      &state_->loop,
      [](uv_handle_t* handle, void* state) {
        auto* wake = reinterpret_cast<uv_handle_t*>(&static_cast<State*>(state)->wake);
        if (handle == wake && !uv_is_closing(handle)) uv_close(handle, nullptr);
      },
      state_.get());
  // Wrappers closed their handles; their close callbacks run here.
  while (uv_run(&state_->loop, UV_RUN_DEFAULT) != 0) {
  }
  LB_CHECK(uv_loop_close(&state_->loop) == 0);
}

void Loop::Run() {
  uv_run(&state_->loop, UV_RUN_DEFAULT);
  state_->RunPosted();
}

void Loop::Stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
  }
  uv_async_send(&state_->wake);
}

bool Loop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped) return false;
    state_->posted.push_back(std::move(task));
  }
  uv_async_send(&state_->wake);
  return true;
}

uv_loop_t* Loop::uv() { return &state_->loop; }

struct Timer::Cell {
  uv_timer_t handle;
  std::function<void()> task;

  static void OnTick(uv_timer_t* handle) {
    // A copy: the task may destroy the timer, and with it the function that runs.
    const auto task = static_cast<Cell*>(handle->data)->task;
    task();
  }
};

Timer::Timer(Loop& loop) : cell_(new Cell) {
  LB_CHECK(uv_timer_init(loop.uv(), &cell_->handle) == 0);
  cell_->handle.data = cell_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&cell_->handle),
           [](uv_handle_t* handle) { delete static_cast<Cell*>(handle->data); });
}

void Timer::Once(int64_t delay_us, std::function<void()> task) {
  cell_->task = std::move(task);
  const auto delay_ms = static_cast<uint64_t>(std::max<int64_t>(0, delay_us + 999) / 1000);
  LB_CHECK(uv_timer_start(&cell_->handle, Cell::OnTick, delay_ms, 0) == 0);
}

void Timer::Every(int64_t period_us, std::function<void()> task) {
  cell_->task = std::move(task);
  const auto period_ms = static_cast<uint64_t>(std::max<int64_t>(1, period_us / 1000));
  LB_CHECK(uv_timer_start(&cell_->handle, Cell::OnTick, period_ms, period_ms) == 0);
}

void Timer::Cancel() { uv_timer_stop(&cell_->handle); }

}  // namespace lookback::net
