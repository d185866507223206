#include "base/worker_pool.h"

#include <linux/ioprio.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>

namespace lookback {

WorkerPool::WorkerPool(const std::string& name, size_t threads, size_t max_waiting)
    : queue_(max_waiting, std::numeric_limits<uint64_t>::max()) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name] {
      NameThisThread(name);
      LowerThisThread();
      while (auto task = queue_.Pop()) (*task)();
    });
  }
}

WorkerPool::~WorkerPool() { Stop(); }

bool WorkerPool::Post(Task task) { return queue_.TryPush(task); }

void WorkerPool::Stop() {
  queue_.Close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void NameThisThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void LowerThisThread() {
  constexpr int kNiceness = 15;
  constexpr int kLowestOfBestEffort = 7;
  // On Linux both are of a thread, 0 being the calling one. Where a host forbids them, all threads
  // are equal, as they were.
  (void)::setpriority(PRIO_PROCESS, 0, kNiceness);
  (void)::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, kLowestOfBestEffort));
}

}  // namespace lookback
