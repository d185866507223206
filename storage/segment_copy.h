// storage/segment_copy.h: a segment's file a second time, byte for byte, on another volume.
//
// A copy has the name of its segment, since names are never given twice: a file of that name on a
// volume that neither the segment's row nor a COPY names is one that was not finished. It needs no
// name of its own until then: nothing is read but what is on record.
//
// Invariant: Ok means that every byte was read back, with the SHA-256 of the seal,
//            and that file and directories are synced. After an error there is no file,
//            unless it cannot be removed.
// Threads:   any; one for each file.
// Errors:    kCorrupt: what is read is not what was sealed, or `from` cannot be read.
//            kConflict: the volume has a file of that name. kUnavailable: `on_read` stopped it.
//            kDiskFull, kDiskFailed.
#pragma once

#include "storage/scrub.h"
#include "storage/volume.h"

namespace lookback::storage {

// What a copier writes between two syncs: the volume's own sync must not have to wait for more.
inline constexpr uint64_t kCopySyncBytes = 8 << 20;

Status CopySegment(const File& from, const index::Seal& seal, Volume& to, const OnRead& on_read);

// Reads the volume's file of the segment from the disk, whole, and holds it against the seal. Also
// kNotFound.
Status CheckCopy(Volume& volume, const index::Seal& seal, const OnRead& on_read);

}  // namespace lookback::storage
