// storage/scrubber.h: reads every byte of every sealed segment from time to time and holds it
// against its checksums (storage/scrub.h), while the store records.
//
// What it finds goes to Footage::damage(), as if a reader had met it: the next timeline or clip has
// a gap there. That list and how far each pass came are kept in <data>/scrub-state.
//
// A pass begins `interval_us` after the one before began, or when it is asked for. It takes the
// volume's budget at most, waits while recording has a backlog, and goes on where it was after a
// restart. Segments that are sealed after its beginning are the next one's; those that retention
// takes meanwhile, or whose place a copy takes, are no finding.
//
// A copy of a held segment that is found damaged is taken off the record, and its file removed,
// where the segment's own can be opened and is not known to be damaged; it is made anew then
// (storage/held_copies.h).
//
// Invariant: no file of a volume is written to. A disk that is not there, or is another one, gives
//            no finding: what cannot be opened counts only while the volume's identity can be read.
// Threads:   one a volume, at the lowest priority; volumes that are added later get theirs within a
//            minute, those that are removed end. RunDue() on the caller's, without the others. The
//            rest on any.
// Errors:    none that a caller sees; a pass that cannot go on is logged, and tried again later.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "storage/pace.h"
#include "storage/scrub_state.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr int64_t kScrubIntervalUs = 30 * kUsPerDay;
inline constexpr uint64_t kScrubBytesPerSecond = 20 << 20;  // Of each volume.
inline constexpr int64_t kScrubLookUs = kUsPerMinute;       // Whether a pass is due.
inline constexpr int64_t kScrubSaveUs = 30 * kUsPerSecond;

class Scrubber {
 public:
  struct Options {
    int64_t interval_us = kScrubIntervalUs;  // 0: only when asked for.
    uint64_t bytes_per_second = kScrubBytesPerSecond;
  };
  struct VolumeReport {
    std::string root;
    bool online = false;
    VolumeScrub scrub;
    TimeUs next_us = 0;     // When the next pass is due; 0: when somebody asks.
    std::string hindrance;  // Why the pass under way does not go on just now; "" when it does.
  };
  // Reads the state file, or begins anew where there is none that can be read. All must outlive the
  // scrubber.
  static std::unique_ptr<Scrubber> Open(Store& store, Clock& clock, FileSystem& files,
                                        const Options& options);
  virtual ~Scrubber() = default;  // Stops; what was checked is on record.

  virtual void StartThreads() = 0;
  // What is due on every volume, to its end, or until `wait` says false.
  virtual void RunDue(const Pace::Wait& wait) = 0;

  // Begins a pass on every volume; one that is under way begins anew, from where it is.
  virtual void BeginPass() = 0;

  // From the next segment on, in a pass that is under way too.
  virtual void Use(const Options& options) = 0;
  virtual Options options() const = 0;
  virtual std::vector<VolumeReport> Report() const = 0;
  // Since the start, of all volumes.
  virtual uint64_t checked_bytes() const = 0;
};

}  // namespace lookback::storage
