// media/sample_entry.h: the `stsd` entries that carry a TrackConfig (ISO/IEC 14496-12 §8.5.2,
// 14496-15 §5.4.2 and §8.4.1, 14496-14 §5.6, "Encapsulation of Opus in ISOBMFF" §4.3).
//
// MJPEG is `mp4v` with the object type that ISO/IEC 14496-1 registers for JPEG; G.726 has no entry
// of the standards, so it is named as QuickTime names any WAVE format: `ms` and the format's tag.
//
// Invariant: parsing what was built gives the TrackConfig again.
// Threads:   free functions; no state.
// Errors:    kCorrupt or kUnsupported; safe on hostile bytes.
#pragma once

#include "media/bmff.h"
#include "media/track.h"

namespace lookback::media {

// Whether an entry can hold the track: its parameter sets and configuration are there and not
// longer than the counts of `avcC`, `hvcC` and `esds` reach. Whoever makes a TrackConfig of a
// camera's words asks first.
bool FitsSampleEntry(const TrackConfig& track);

// `track` fits.
void WriteSampleEntry(const TrackConfig& track, ByteWriter& out);

// Fills in what an entry says of its track: codec, size, parameter sets, channels, configuration.
Status ParseSampleEntry(const Box& entry, TrackConfig& track);

}  // namespace lookback::media
