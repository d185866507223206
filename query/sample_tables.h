// query/sample_tables.h: the sample tables of a clip's tracks, filled sample by sample.
//
// Invariant: samples of a track come with rising decoding times; the time to the next sample is the
//            sample's duration, so a hole is the sample before it, lasting longer. Payload that is
//            contiguous in one fragment is one chunk.
// Threads:   values.
// Errors:    none: what does not fit was refused before.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace lookback::query {

// In place of a fragment's number: bytes that no camera sent, but the clip has of its own.
inline constexpr uint32_t kOwnText = UINT32_MAX;

// A stretch of the clip's `mdat`: bytes of one fragment, or of its own texts.
struct PayloadPiece {
  uint64_t at = 0;        // In the payload.
  uint32_t fragment = 0;  // Which, of the clip's fragments; or kOwnText.
  uint32_t skip = 0;      // Its first byte, from the fragment's or the texts' start.
  uint32_t length = 0;
};

struct Payload {
  std::vector<PayloadPiece> pieces;  // In order, without holes.
  uint64_t bytes = 0;
};

struct CountedDelta {
  uint32_t count = 0;
  uint32_t delta = 0;  // For `ctts` the two's complement of a signed offset.
};

struct Chunk {
  uint64_t at = 0;  // In the payload.
  uint32_t samples = 0;
  uint32_t entry = 0;  // Of Track::entries, from 0.
};

enum class ClipTrackKind : uint8_t { kVideo, kAudio, kSubtitles };

// One `trak`, ready to be written.
struct ClipTrack {
  ClipTrackKind kind = ClipTrackKind::kVideo;
  uint32_t timescale = 0;
  uint16_t width = 0;
  uint16_t height = 0;
  std::vector<Bytes> entries;           // Of `stsd`.
  std::vector<CountedDelta> durations;  // `stts`
  std::vector<CountedDelta> offsets;    // `ctts`
  std::vector<uint32_t> sizes;          // `stsz`
  std::vector<uint32_t> sync_samples;   // `stss`, from 1.
  std::vector<Chunk> chunks;            // `stsc` and `stco` or `co64`
  int64_t duration = 0;                 // Ticks, of all samples.
  int64_t edit_start = 0;               // `elst`: media time of the first shown instant.
  int64_t edit_duration = 0;            // Ticks.
};

struct PlacedSample {
  int64_t decode_time = 0;
  int32_t composition_offset = 0;
  bool sync = true;
  uint32_t entry = 0;
  uint32_t fragment = 0;
  uint32_t skip = 0;  // Of its first byte, from the fragment's start.
  uint32_t size = 0;
};

class TrackBuilder {
 public:
  TrackBuilder(ClipTrack& track, Payload& payload) : track_(track), payload_(payload) {}

  // A decoding time that does not rise is put one tick after the one before.
  void Add(const PlacedSample& sample);
  // The last sample lasts until `decode_time`.
  void Finish(int64_t decode_time);

  bool empty() const { return track_.sizes.empty(); }
  int64_t last_decode_time() const { return last_decode_time_; }

 private:
  void EndLastSample(int64_t decode_time);

  ClipTrack& track_;
  Payload& payload_;
  int64_t last_decode_time_ = 0;
};

}  // namespace lookback::query
