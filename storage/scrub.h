// storage/scrub.h: whether a sealed segment still is what was sealed, byte by byte.
//
// XXH3 proves it: LKEN covers itself and, with XXH3-128, every byte before it. Rot does not aim,
// so a digest that is as fast as memory is enough; SHA-256, against people, is `fsck --deep`'s and
// costs twenty times as much. What LKEN does not tell, whether the file is the one that its name
// says, its head does, held against the seal.
//
// Only where that fails are the fragments looked at one by one, each against its LKFR, so that what
// is damaged has a time. Init section, LKSG and LKEN are of the whole segment: without them readers
// cannot give out any of it.
//
// Invariant: the file is only read. What comes back empty has been read whole, and agreed.
// Threads:   any.
// Errors:    kUnavailable: `on_read` said no. What the disk does not give back is damage, not an
//            error: whether it is the file's or the whole disk's, the caller looks.
#pragma once

#include <functional>
#include <vector>

#include "base/file_system.h"
#include "storage/damage.h"
#include "storage/volume.h"

namespace lookback::storage {

// Told of so many more bytes after each read; false stops the check.
using OnRead = std::function<bool(uint64_t bytes)>;

// By start; empty when every byte is good. A file that does not agree at first and does when it is
// read again is good.
Result<std::vector<Damage>> CheckSegment(const File& file, const index::Seal& seal,
                                         const Uuid& store, const OnRead& on_read);

// Whether the volume's root still has the one that it was: else nothing is said of its files.
Status CheckAttached(const Volume& volume, const Uuid& store, FileSystem& files);

}  // namespace lookback::storage
