// storage/scrub_state.h: <data>/scrub-state: how far the scrubber came, and what is damaged.
//
//   file    = XXH3-64 of what follows (8 bytes, big-endian), State
//   State   = 1 format, 2 Volume (repeated), 3 Damage (repeated)
//   Volume  = 1 volume (UUID), 2 cursor (Key), 3 origin (Key), 4 wrapped, 5 pass (Pass),
//             6 last (Pass), 7 segments to check, 8 bytes to check
//   Pass    = 1 began, 2 ended, 3 segments, 4 bytes, 5 findings
//   Key     = 1 camera, 2 stream, 3 start, 4 epoch, 5 sequence
//   Damage  = 1 segment (Key), 2 run, 3 fragment, 4 start, 5 end, 6 cause, 7 what, 8 volume
//
// In protobuf's wire format (base/wire.h), times in zigzag.
//
// Invariant: the file is replaced durably and whole. Its digest keeps a rotten one from passing
//            segments over. It can be lost: the next pass finds all of it anew.
// Threads:   values.
// Errors:    kCorrupt says which field; kUnsupported for a newer format.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "storage/damage.h"

namespace lookback::storage {

inline constexpr std::string_view kScrubStateFile = "scrub-state";
inline constexpr uint64_t kScrubStateFormat = 1;
inline constexpr uint64_t kMaxScrubStateBytes = 64 << 20;

// One time through all that a volume had when it began.
struct ScrubPass {
  TimeUs began_us = 0;  // 0: there is none.
  TimeUs ended_us = 0;  // 0: it is under way.
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t findings = 0;

  friend bool operator==(const ScrubPass&, const ScrubPass&) = default;
};

// Passes go round the volume's segments, in the order of their keys, and begin where the one before
// left off: so what comes next is always what was checked the longest time ago.
struct VolumeScrub {
  Uuid volume;
  std::optional<index::SegmentKey> cursor;  // The last one checked.
  std::optional<index::SegmentKey> origin;  // Where the pass began; nothing: before all of them.
  bool wrapped = false;                     // It is in the part up to `origin`.
  ScrubPass pass;                           // Under way.
  ScrubPass last;                           // The last whole one.
  uint64_t segments = 0;                    // To be checked by the pass, as counted at its begin.
  uint64_t bytes = 0;

  friend bool operator==(const VolumeScrub&, const VolumeScrub&) = default;
};

struct ScrubState {
  std::vector<VolumeScrub> volumes;
  std::vector<Damage> damage;

  friend bool operator==(const ScrubState&, const ScrubState&) = default;
};

Bytes EncodeScrubState(const ScrubState& state);
Result<ScrubState> ParseScrubState(ByteSpan file);

}  // namespace lookback::storage
