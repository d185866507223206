// storage/archive.h: puts fragments on disk and segments on record, in the one order that survives
// a power cut: fragments and LKEN written, data and directories synced, SEAL on the synced ledger,
// row in the catalog.
//
// Where a run goes: of the volumes that take footage, to the one with most space for each of its
// runs. A draining one gets no new segment: its runs go on elsewhere with their next segment. Only
// while no other volume takes footage it takes some too, for recording comes first.
//
// Invariant: the catalog never names bytes that are not synced. A fragment is written whole or not
//            at all. What is lost on the way gets a GAP with its cause.
// Threads:   Begin, Append and the end of a Recording on the ingest threads, never blocking; a
//            writer thread per volume writes, another beside it syncs; Footage's methods on any.
// Errors:    Append says kUnavailable when the volume's queue is full: that fragment and the rest
//            of its GOP are dropped and the archive records the gap. Disk errors end the segment;
//            recording goes on in a new file, on another volume if there is one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "media/fragment.h"
#include "storage/footage.h"
#include "storage/journal.h"
#include "storage/replay_budget.h"
#include "storage/stopwatch.h"
#include "storage/volume.h"

namespace lookback::storage {

inline constexpr int64_t kSyncIntervalUs = 5 * kUsPerSecond;
inline constexpr uint64_t kVolumeQueueBytes = 256 << 20;  // Fragments waiting for one volume.
inline constexpr size_t kVolumeQueueItems = 16'384;
// Of one start: those that were removed since are counted.
inline constexpr size_t kMaxVolumes = 64;
// From this Archive::Backlog() on whoever reads gives way to what is written.
inline constexpr double kBacklogToGiveWay = 0.25;

// What stays the same for a whole run.
struct RunInfo {
  StreamId stream;
  Uuid run;            // Uuid::TimeOrdered(), so that it tells when the run began.
  Bytes init;          // `ftyp`+`moov`.
  std::string tracks;  // For people; index::Run::tracks.
  ClockState clock = ClockState::kSynchronised;
  std::optional<int64_t> camera_offset_us;  // As known when the run begins.
  // Footage of the past, from a file: it is no part of what StreamStatus tells, shows once it is
  // sealed, and must not overlap other footage, which the caller sees to.
  bool imported = false;
};

// A volume where no new run begins just now.
struct VolumeTrouble {
  std::string root;
  Error why;  // kDiskFull, kDiskFailed; kUnavailable: it is slow, and keeps the runs that it has.
};

// How busy a volume's writer is. A volume that was given up and came back has a new one, from 0.
struct VolumeLoad {
  std::string root;
  double queue_share = 0;  // How full its queue is, 0 to 1.
  CallTotals writes;       // A fragment each, or the end of a run.
  CallTotals syncs;        // A group of segments each.
};

// One run on its way to disk. Ending it closes the segment.
class Recording {
 public:
  virtual ~Recording() = default;  // Ends.

  // Takes the next fragment; its number and times go on from the one before.
  virtual Status Append(media::Fragment fragment) = 0;
  // The same for what is still held when the run ends. At a stop all cameras end at once, so it is
  // taken above the queue's limit too, up to StreamState::kMaxLastBytes.
  virtual Status AppendLast(media::Fragment fragment) = 0;
  // Camera's clock minus ours; goes into the next segment's head.
  virtual void SetCameraOffset(int64_t offset_us) = 0;
  // The end of what is in a file: whoever has more than a camera gives waits for it, so that
  // cameras find room in the volume's queue.
  virtual TimeUs written_until_us() const { return kTimeMaxUs; }
};

struct StreamStatus {
  StreamId stream;
  bool recording = false;
  TimeUs recorded_until_us = 0;  // End of the last fragment in a file; 0: nothing ever.
  TimeUs durable_until_us = 0;   // Everything before survives a power cut.
  uint64_t dropped_fragments = 0;
  std::optional<index::Gap> dropping;  // What comes is not kept just now, and why.
  std::string volume;                  // Root of the one in use.
};

class Archive : public Footage {
 public:
  struct Options {
    Uuid store;
    uint32_t epoch = 0;
    int64_t sync_interval_us = kSyncIntervalUs;
    uint64_t queue_bytes = kVolumeQueueBytes;  // Of each volume.
    uint64_t replay_bytes = kReplayBytes;      // Of all volumes together.
  };

  // `volumes`, `journal`, `catalog`, `clock` must outlive the archive. Volumes are recovered
  // already.
  static Result<std::unique_ptr<Archive>> Start(const Options& options,
                                                std::vector<Volume*> volumes, Journal& journal,
                                                const index::Catalog& catalog, Clock& clock);

  // kUnavailable when no volume takes recordings; the caller tries again later.
  virtual Result<std::unique_ptr<Recording>> Begin(RunInfo run) = 0;

  // A gap that has ended. Never blocks; kept and tried again when the ledger's disk is full.
  virtual void RecordGap(index::Gap gap) = 0;
  // The gap that is going on (nullopt: footage flows). Shown by Gaps(), not on the ledger yet.
  virtual void SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) = 0;

  // Ends of what is recorded and durable; from the catalog for streams not recorded since start.
  virtual StreamStatus StatusOf(const StreamId& stream) = 0;

  // How full the fullest volume's queue is, 0 to 1: who reads gives way before it is full.
  virtual double Backlog() const = 0;

  // Of the volumes that are written to.
  virtual std::vector<VolumeLoad> Loads() const = 0;

  // One volume more: new runs may begin there at once. It must outlive the archive.
  // One that is offline is used from when it returns, and one that is removed is left.
  // At most kMaxVolumes in all.
  virtual void Use(Volume& volume) = 0;

  // Of volumes that are online; empty when all take footage.
  virtual std::vector<VolumeTrouble> Troubles() const = 0;

  // Writes and syncs everything that was appended, and seals every segment that has ended, then
  // returns; runs that go on keep their segment open. For stop and for tests.
  virtual Status Drain() = 0;
  // Ends all recordings, drains, refuses. Ok: all is on record, at the first call.
  virtual Status Stop() = 0;
};

}  // namespace lookback::storage
