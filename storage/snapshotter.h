// storage/snapshotter.h: writes a snapshot of the catalog (storage/snapshot.h) once a day.
//
// Invariant: none is begun while the catalog is behind the ledger, and one under way is given up
//            then; who asked for it finds that in State::trouble, and has to ask again. Where the
//            ledger has nothing new, the last one stands for it.
// Threads:   one of its own, at the lowest priority; what stands here on any.
// Errors:    in Report() and the log; tried again after kSnapshotRetryUs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "storage/snapshot.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr int64_t kSnapshotIntervalUs = kUsPerDay;
inline constexpr int64_t kSnapshotRetryUs = kUsPerHour;
inline constexpr int64_t kSnapshotLookUs = kUsPerMinute;  // Whether one is due.

class Snapshotter {
 public:
  struct State {
    bool running = false;
    std::optional<SnapshotHeader> newest;  // Of what stands on the disk.
    std::string path;                      // Of that.
    uint64_t rows = 0, bytes = 0;          // Of the last one written since the start.
    std::string trouble;                   // Why the last try failed; empty: it did not.
  };
  // Looks at what is there. `store`, `clock` and `files` must outlive it.
  static std::unique_ptr<Snapshotter> Open(Store& store, Clock& clock, FileSystem& files);
  virtual ~Snapshotter() = default;  // Stops; one under way is given up.

  virtual void StartThread() = 0;
  // What is due, on the caller's thread.
  virtual void RunDue() = 0;
  // As if one were due now.
  virtual void Ask() = 0;
  virtual State Report() const = 0;
};

}  // namespace lookback::storage
