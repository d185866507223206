// storage/segment_check.h: whether a segment's file is what was sealed, for fsck.
//
// Threads:   any; the file is only read.
// Errors:    none: a file that is gone by now is no fault here.
#pragma once

#include <optional>
#include <string>

#include "storage/recorded_footage.h"
#include "storage/volume.h"

namespace lookback::storage {

struct FileFault {
  bool truncated = false;
  TimeUs from_us = 0;  // What begins earlier is good.
  std::string what;
};

// Against its size, its head and its LKEN; `deep`: every byte of it against its digests, and the
// SHA-256 of the seal.
std::optional<FileFault> CheckSegmentFile(Volume& volume, const index::SegmentKey& key,
                                          const RecordedSegment& entry, const Uuid& store,
                                          bool deep);

}  // namespace lookback::storage
