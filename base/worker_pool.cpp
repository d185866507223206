#include "base/worker_pool.h"

#include <pthread.h>

#include <limits>

namespace lookback {

WorkerPool::WorkerPool(const std::string& name, size_t threads, size_t max_waiting)
    : queue_(max_waiting, std::numeric_limits<uint64_t>::max()) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name] {
      NameThisThread(name);
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

}  // namespace lookback
