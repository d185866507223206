// base/worker_pool.h: a fixed number of threads for work that may wait on a disk or burn CPU.
// They give way to the threads that record.
//
// Invariant: at most `threads` tasks run and `max_waiting` wait. Stop() refuses new work and awaits
//            the old: nothing runs after it.
// Threads:   Post() on any thread; tasks run on the pool's.
// Errors:    Post() returns false when full or stopping; a task reports by its own means.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"

namespace lookback {

class WorkerPool {
 public:
  using Task = std::function<void()>;

  // `name` labels the threads (at most 15 characters count).
  WorkerPool(const std::string& name, size_t threads, size_t max_waiting);
  ~WorkerPool();  // Stops.
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  bool Post(Task task);
  void Stop();

 private:
  BoundedQueue<Task> queue_;
  std::vector<std::thread> threads_;
};

// Names the calling thread, as `top` and a debugger show it.
void NameThisThread(const std::string& name);

// The calling thread gets less of a busy processor and of a busy disk than others from now on
// (niceness 15; setpriority(2), ioprio_set(2)): for whatever recording must not wait for.
void LowerThisThread();

}  // namespace lookback
