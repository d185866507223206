// storage/self_check.h: fsck (storage/check.h) inside the running store, when it is asked for.
//
// Invariant: one at a time; it changes nothing, gives way to recording, and holds a smaller share
//            of the store in memory than a check outside.
// Threads:   one of its own, at the lowest priority; what stands here on any.
// Errors:    why a check could not be made stands in Report(), until the next one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "storage/check.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr uint64_t kSelfCheckSegments = 500'000;  // In memory at a time.
inline constexpr size_t kSelfCheckFindings = 1'000;      // That are kept; the others are counted.
inline constexpr uint64_t kSelfCheckFilesPerSecond = 2'000;

class SelfCheck {
 public:
  struct Outcome {
    TimeUs began_us = 0;
    TimeUs ended_us = 0;
    FsckReport report;      // Its findings cut off at kSelfCheckFindings, faults first.
    uint64_t findings = 0;  // All that there were,
    uint64_t faults = 0;    // and how many of them are faults.
    std::string trouble;    // Why it could not be made; the rest is empty then.
  };
  struct State {
    bool running = false;
    CheckProgress progress;       // Of the one under way.
    std::optional<Outcome> last;  // Since the start.
  };
  // `store`, `clock` and `files` must outlive it.
  static std::unique_ptr<SelfCheck> Open(Store& store, Clock& clock, FileSystem& files);
  virtual ~SelfCheck() = default;  // Stops; one under way is given up.

  virtual void StartThread() = 0;
  // Begins one, unless one is under way.
  virtual void Ask() = 0;
  // What is asked for, on the caller's thread.
  virtual void RunDue() = 0;
  virtual State Report() const = 0;
};

}  // namespace lookback::storage
