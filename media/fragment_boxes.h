// media/fragment_boxes.h: the boxes of a fragment, around samples that stay where they are.
//
// Invariant: a fragment has one form (docs/format.md); ParseFragment takes no other.
// Threads:   free functions; no state.
// Errors:    none: what goes in is the fragmenter's own.
#pragma once

#include <span>

#include "media/fragment.h"

namespace lookback::media {

// sample_flags of `trun` (ISO/IEC 14496-12 §8.8.3.1). An open sync sample differs from a closed one
// by its degradation priority, which the standard leaves free and players pass over.
inline constexpr uint32_t kSyncSampleFlags = 0x0200'0000;      // Depends on no other.
inline constexpr uint32_t kOpenSyncSampleFlags = 0x0200'0001;  // Likewise.
inline constexpr uint32_t kOtherSampleFlags = 0x0101'0000;     // Depends on others; no sync sample.

inline constexpr uint32_t kPrftBytes = 32;
inline constexpr uint32_t kMoofFixedBytes = 92;  // A `moof` without the rows of its `trun`.
inline constexpr uint32_t kVideoRowBytes = 16;   // Duration, size, flags, composition offset.
inline constexpr uint32_t kAudioRowBytes = 8;    // Duration, size.
inline constexpr uint32_t kMdatHeaderBytes = 8;
inline constexpr uint32_t kVideoTrunFlags = 0xf01;
inline constexpr uint32_t kAudioTrunFlags = 0x301;
inline constexpr uint32_t kTfhdFlags = 0x020002;  // default-base-is-moof, sample description index.

// `prft`: the wall clock at the fragment's first decoding time.
void WriteProducerReferenceTime(const FragmentInfo& info, ByteWriter& out);

// `moof` and the head of its `mdat`.
void WriteTrackFragment(uint32_t number, uint32_t track_id, const FragmentTrack& track,
                        ByteWriter& out);

// What WriteTrackFragment writes.
uint64_t TrackFragmentBytes(const FragmentTrack& track);

// Changes what tells a stored fragment's place, and nothing else. `moof`: what WriteTrackFragment
// wrote, from its first byte on.
struct TrackFragmentPlace {
  uint32_t number = 0;       // `mfhd` sequence_number
  uint32_t description = 1;  // `tfhd` sample_description_index
  int64_t shift = 0;         // Added to `tfdt`.
  uint32_t longer_by = 0;    // Added to the last sample's duration.
};
void MoveTrackFragment(const TrackFragmentPlace& place, const FragmentTrack& track,
                       std::span<uint8_t> moof);
// The same for `prft`'s media time.
void MoveProducerReferenceTime(int64_t shift, std::span<uint8_t> prft);

// NTP's seconds and fraction (RFC 5905 §6), modulo its era of 136 years.
uint64_t NtpTime(TimeUs time_us);

}  // namespace lookback::media
