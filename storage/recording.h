// storage/recording.h: the door of a run: what ingest holds of it.
//
// Invariant: nothing of a run is taken after EndRun.
// Threads:   any; one lock a run.
// Errors:    of storage/archive.h.
#pragma once

#include <memory>

#include "storage/record_queue.h"
#include "storage/writing_run.h"

namespace lookback::storage {

std::unique_ptr<Recording> MakeRecording(std::shared_ptr<WritingRun> run,
                                         std::shared_ptr<RecordQueue> records);
void EndRun(const std::shared_ptr<WritingRun>& run, RecordQueue& records);

}  // namespace lookback::storage
