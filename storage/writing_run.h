// storage/writing_run.h: a run on its way to disk.
//
// When its volume fails, a run goes on in another one: as a WritingRun of that one's, the
// successor, which shares what all parts of the run share.
//
// Threads:   as the members say.
// Errors:    none.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "storage/archive.h"
#include "storage/segment_writer.h"
#include "storage/stream_state.h"

namespace lookback::storage {

class VolumeWriter;

// What all parts of a run share, whichever volume they are on. Any thread.
struct RunCommon {
  RunInfo info;  // Stays as it is.
  std::shared_ptr<StreamState> stream;
  std::atomic<bool> on_record{false};  // Its RUN is on its way to the ledger.
  std::atomic<bool> has_camera_offset{false};
  std::atomic<int64_t> camera_offset_us{0};
};

struct WritingRun {
  WritingRun(std::shared_ptr<RunCommon> shared, VolumeWriter& writer);
  ~WritingRun();
  WritingRun(const WritingRun&) = delete;
  WritingRun& operator=(const WritingRun&) = delete;

  const std::shared_ptr<RunCommon> common;
  VolumeWriter* const entry;  // Takes its fragments, and passes them on if the run moved.
  const std::shared_ptr<std::atomic<int64_t>>
      counter;  // Of the entry's runs; it may be gone first.

  // Ingest's.
  std::mutex mutex;
  bool ended = false;
  bool dropping = false;  // Until the next fragment that a decoder can start at.

  // Under the lock of the entry's queue: where the run went on when the volume failed.
  std::shared_ptr<WritingRun> successor;

  // The entry's writer's.
  bool dropping_moved = false;
  std::unique_ptr<SegmentWriter> segment;
  bool begun = false;  // Something of it is in a file; the next three are of what came last.
  TimeUs last_end_us = 0;
  uint32_t last_number = 0;
  uint64_t last_segment_bytes = 0;
};

}  // namespace lookback::storage
