// storage/segment_reader.h: from a segment file to its index.
//
// Invariant: what comes back is consistent with the bytes read; nothing is taken on trust from a
//            file.
// Threads:   any; the file is only read.
// Errors:    kCorrupt says at which offset and why; kDiskFailed from the disk.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/checksum.h"
#include "base/file_system.h"
#include "storage/segment_format.h"

namespace lookback::storage {

// Reads LKEN from the end and the head from the start: two reads, no samples. kCorrupt when the
// file has no valid LKEN (open, torn, or rotten there).
Result<SegmentIndex> ReadClosedSegment(const File& file);

// Only its LKEN, from the end of the file.
struct SegmentTail {
  SegmentEnd end;
  uint64_t offset = 0;  // Where LKEN begins: `end.preceding` covers what is before.
  uint64_t file_bytes = 0;
};
Result<SegmentTail> ReadSegmentTail(const File& file);

// Where what a file says of itself differs from what is on record of it; "" when it does not.
std::string Contradiction(const SegmentIndex& index, const Uuid& store,
                          const index::SegmentKey& key, TimeUs end_us);

// Where a fragment should stand in a file.
struct FragmentPlace {
  Uuid run;
  uint32_t number = 0;
  uint64_t offset = 0;
  uint32_t length = 0;  // Without its LKFR.
};
// Reads the fragment and its LKFR to the start of `buffer`, which grows to hold them, and holds one
// against the other: what does not agree, "" when all does. kDiskFailed when it cannot be read.
Result<std::string_view> ReadFragment(const File& file, const FragmentPlace& place, Bytes& buffer);

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
