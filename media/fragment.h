// media/fragment.h: a piece of a run that is stored, read and served whole.
//
// Invariant: the bytes are `prft`, then one `moof`+`mdat` per track, video first (ISO/IEC 14496-12
//            §8.8, §8.16.5); the first video sample is a sync sample unless kContinuation is set.
//            Within a fragment decoding times of video are its presentation times in rising order,
//            so media time of one fragment ends where that of the next begins.
// Threads:   values, moved.
// Errors:    none here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

inline constexpr int64_t kMaxFragmentUs = 2 * kUsPerSecond;  // Then a long GOP is continued.
inline constexpr uint64_t kMaxFragmentBytes = 1 << 20;       // Likewise; one sample may exceed it.
inline constexpr uint64_t kMaxSampleBytes = 16 << 20;        // A larger sample is refused.
inline constexpr size_t kMaxFragmentSamples = 4'096;         // Of one track.
inline constexpr size_t kMaxTracks = 2;
inline constexpr int64_t kMaxMediaTicks = int64_t{1} << 40;  // Far above any run's length.

// No fragment is longer than this, whatever a camera sends: readers need no larger buffer.
inline constexpr uint64_t kMaxFragmentLength = 48 << 20;

enum FragmentFlag : uint32_t {
  kContinuation = 1,  // Starts inside a GOP: a decoder needs the fragments before it.
  kOpenGop = 2,       // The first sample is Sync::kOpen.
  kDamaged = 4,       // Packets were lost in it.
  kAudioOnly = 8,     // Holds no video.
};

// One row of a sample table.
struct SampleInfo {
  uint32_t duration = 0;           // Ticks of the track.
  uint32_t size = 0;               // Bytes.
  int32_t composition_offset = 0;  // Ticks, signed: pts - decoding time.
  Sync sync = Sync::kNone;

  friend bool operator==(const SampleInfo&, const SampleInfo&) = default;
};

struct FragmentTrack {
  TrackKind kind = TrackKind::kVideo;
  int64_t base_decode_time = 0;     // `tfdt`: ticks of the track since the run's start.
  uint32_t data_offset = 0;         // Of the first sample's first byte, from the fragment's start.
  std::vector<SampleInfo> samples;  // Never empty.

  int64_t duration() const;     // Sum, in ticks.
  uint64_t data_bytes() const;  // Sum.
  friend bool operator==(const FragmentTrack&, const FragmentTrack&) = default;
};

struct FragmentInfo {
  uint32_t number = 0;  // In the run, from 1; = `mfhd` sequence_number.
  uint32_t flags = 0;   // FragmentFlag.
  TimeUs start_us = 0;  // UTC of the first video sample's presentation, by the run's clock map.
  TimeUs end_us = 0;    // UTC of the end of the last; = start of the next fragment of the run.
  uint32_t length = 0;  // Bytes from `prft` to the end of the last `mdat`.
  uint32_t lost_packets = 0;
  std::vector<FragmentTrack> tracks;  // One or two, video first.

  const FragmentTrack* Track(TrackKind kind) const;  // nullptr when it has none.
  friend bool operator==(const FragmentInfo&, const FragmentInfo&) = default;
};

struct Fragment {
  FragmentInfo info;
  // Its bytes, in order, kept apart so that samples are not copied again: written with one call.
  std::vector<Bytes> parts;
};

// Reads the boxes of one fragment back into a table. `start_us`, `end_us`, `lost_packets` and
// kDamaged are not in them (LKFR has them) and stay 0. kCorrupt on anything that our writer would
// not have written; safe on hostile bytes.
Result<FragmentInfo> ParseFragment(ByteSpan bytes);

}  // namespace lookback::media
