// storage/segment_reader.h: from a segment file to its index.
//
// Invariant: what comes back is consistent with the bytes read; nothing is taken on trust from a
//            file.
// Threads:   any; the file is only read.
// Errors:    kCorrupt says at which offset and why; kDiskFailed from the disk.
#pragma once

#include <functional>
#include <string>

#include "base/checksum.h"
#include "base/file_system.h"
#include "storage/segment_format.h"

namespace lookback::storage {

// Reads LKEN from the end and the head from the start: two reads, no samples. kCorrupt when the
// file has no valid LKEN (open, torn, or rotten there).
Result<SegmentIndex> ReadClosedSegment(const File& file);

// What a walk over every byte of a file found.
struct ScanResult {
  SegmentIndex index;       // The good fragments up to the first bad byte.
  uint64_t good_bytes = 0;  // Where the last good fragment ends.
  bool end_valid = false;   // A valid LKEN follows, and its digest agrees with the bytes.
  std::string problem;      // Why the walk stopped before the end of the file; empty if it did not.
  Xxh128 digest{};          // XXH3-128 of the first `good_bytes`.
  Sha256Digest sha256{};    // Of the whole file as it is; only when end_valid.
};

// Walks the file fragment by fragment, checking boxes and digests. Fails (kCorrupt) only when not
// even the head (init section and LKSG) is good. `progress` is told bytes read, and stops the walk
// with false (kUnavailable).
Result<ScanResult> ScanSegment(const File& file,
                               const std::function<bool(uint64_t)>& progress = {});

}  // namespace lookback::storage
