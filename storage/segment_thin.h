// storage/segment_thin.h: a segment's file a second time, with the sync samples of its video alone.
//
// The new file stands beside the old one, on the same volume, under a name of its own
// (storage/layout.h), and says in its head that it is thinned. It has the same run,
// start and end; each sample has its bytes, its presentation time and its fragment's number,
// and lasts until the next one that is left. Sound is left out. Until a THIN names it, it is
// nothing (Store::ThinSegment).
//
// Invariant: Ok means that each byte of the old file was what was sealed, that the new one was read
//            back, and that it and its directories are synced. After an error there is no new file,
//            unless it cannot be removed.
// Threads:   any; one for each segment.
// Errors:    kCorrupt: the old file is not what was sealed. kUnsupported: it does not begin with
//            a sync sample, has open GOPs, or would not become smaller. kConflict: the new name is
//            taken. kUnavailable: `on_read` stopped it. kDiskFull, kDiskFailed.
#pragma once

#include "storage/scrub.h"
#include "storage/volume.h"

namespace lookback::storage {

// `from`: the segment's file on `volume`, which `row` names. The row that it
// has once it is thinned.
Result<index::Seal> WriteThinned(const File& from, const index::Seal& row, const Uuid& store,
                                 Volume& volume, const OnRead& on_read);

// The row that the segment would have with its other file on `volume`: the thinned one of a whole
// segment, the whole one of a thinned segment. kNotFound: there is none. kCorrupt: it is not whole.
Result<index::Seal> RowOfOther(Volume& volume, const index::Seal& row);

}  // namespace lookback::storage
