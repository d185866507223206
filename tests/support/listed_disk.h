// tests/support/listed_disk.h: a disk that tells when a directory is listed, for a test that acts
// in the middle of a walk.
//
// Threads:   any; what it tells runs on the thread that lists.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_file_system.h"

namespace lookback::test {

class ListedDisk : public FaultFileSystem {
 public:
  using Hook = std::function<void(const std::string& path)>;

  using FaultFileSystem::FaultFileSystem;

  void OnList(Hook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    if (const Hook hook = TheHook()) hook(path);
    return FaultFileSystem::List(path);
  }

 private:
  Hook TheHook() {
    const std::lock_guard lock(mutex_);
    return hook_;
  }

  std::mutex mutex_;
  Hook hook_;
};

}  // namespace lookback::test
