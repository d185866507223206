// recorder/file_import.h: a file's footage into the archive, as runs labelled imported.
//
// The file is read twice: first to know that all of it can be kept, and how long it is; then to
// keep it. Its first picture that is shown is at `start_us`; from there on its own times count,
// without a clock map. Where its pictures stay away for longer than kMaxPictureGapUs, or its
// parameters change, a run ends, and the next begins at the next sync sample; what stands before a
// first sync sample is left out, and counted.
//
// Invariant: bytes of samples are the file's, but for parameter sets, which stand in each
//            sync sample, as in footage of cameras. Nothing is written before Look()
//            found the whole good.
// Threads:   one; it waits for disks. `stop` and progress() on any.
// Errors:    kInvalid, kUnsupported, kCorrupt: the file cannot be kept, and why. kUnavailable: it
//            was stopped, or no volume keeps up; then a part of it may be in the archive.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "media/fragment.h"
#include "storage/archive.h"

namespace lookback::recorder {

class FileImport {
 public:
  static constexpr int64_t kMaxPictureGapUs = 5 * kUsPerSecond;
  static constexpr int64_t kMaxFileUs = 30 * kUsPerDay;
  // Appended and not yet in a file: a small part of a volume's queue, which is for cameras.
  static constexpr uint64_t kMaxAheadBytes = 16 << 20;
  static constexpr int64_t kMaxWaitUs = 60 * kUsPerSecond;  // For a volume to write that much.

  struct Options {
    StreamId stream;
    TimeUs start_us = 0;
    bool audio = false;
  };
  struct Found {
    TimeRange range;
    std::vector<TimeRange> runs;
    std::string tracks;    // "avc1.4d401f 768x576"
    std::string left_out;  // Sound that cannot be kept.
    uint64_t pictures = 0;
    uint64_t left_out_samples = 0;
  };

  // All must outlive it.
  FileImport(Options options, const File& file, Clock& clock, const std::atomic<bool>& stop)
      : options_(std::move(options)), file_(file), clock_(clock), stop_(stop) {}

  Result<Found> Look();
  // After Look(). The ids of the runs, all of which are durable and sealed.
  Result<std::vector<Uuid>> Keep(storage::Archive& archive);

  // How much of the file has been read, both times together: up to twice its size.
  uint64_t progress_bytes() const { return progress_bytes_; }

 private:
  class Reading;
  class Looker;
  class Keeper;

  const Options options_;
  const File& file_;
  Clock& clock_;
  const std::atomic<bool>& stop_;
  std::atomic<uint64_t> progress_bytes_{0};
};

}  // namespace lookback::recorder
