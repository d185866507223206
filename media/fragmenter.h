// media/fragmenter.h: turns the samples of one run into fragments.
//
// Invariant: every sample that goes in comes out once, in one fragment, in order; a fragment ends
//            at the sync sample of the next GOP, or, past kMaxFragmentUs, kMaxFragmentBytes or
//            kMaxFragmentSamples, where no picture awaits output; sync samples alone (MJPEG) fill
//            a fragment up to these limits. Samples before the first sync sample are refused (the
//            caller counts them). Presentation times come out as they went in; only when a camera
//            breaks the order that it promised do decoding times leave them (kDamaged).
// Threads:   one fragmenter, one thread.
// Errors:    kInvalid for a sample that cannot be placed (before the first sync sample, empty, too
//            large, running back beyond the last fragment, an hour ahead, or audio that the video
//            has left behind by kMaxHeldAudioBytes); the fragmenter stays usable.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "media/fragment.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

// A fragment is cut short of this even where pictures await output: what a broken stream can hold.
inline constexpr uint64_t kMaxHeldVideoBytes = 32 << 20;
inline constexpr uint64_t kMaxHeldAudioBytes = 4 << 20;  // Audio that waits for its video.
inline constexpr int64_t kMaxJumpUs = kUsPerHour;        // From one sample to the next.

// UTC of a media time of the run's video track (of its audio, when it has no video). Must rise.
using MapToUtc = std::function<TimeUs(int64_t ticks)>;

class Fragmenter {
 public:
  // `tracks`: one or two, video first. `map` is asked once at each fragment's border, and the
  // answer is both the end of the one fragment and the start of the next.
  Fragmenter(std::vector<TrackConfig> tracks, MapToUtc map);
  ~Fragmenter();

  // Takes one sample; gives a fragment that is complete, if there is one. A fragment is complete
  // once the first presentation time of the next is certain: at once at an IDR picture, else a
  // sample or two later.
  Result<std::optional<Fragment>> Push(Sample sample);

  // Ends the run: what is still held comes out, a fragment a call; call until it gives none. The
  // last sample lasts as long as the one before it, or as it is usual if that is less.
  std::optional<Fragment> Flush();

  // Bytes of samples held.
  uint64_t held_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// `ftyp`+`moov` of the tracks (ISO/IEC 14496-12 §8.2, `mvex` present, no `edts`, track ids 1 and
// 2). A function of the configs alone: byte-identical each time.
Bytes BuildInitSection(const std::vector<TrackConfig>& tracks);

// The reverse. kCorrupt or kUnsupported; safe on hostile bytes.
Result<std::vector<TrackConfig>> ParseInitSection(ByteSpan bytes);

// The bytes of one `stsd` sample entry, as BuildInitSection writes it: equal entries may be shared.
Bytes BuildSampleEntry(const TrackConfig& track);

}  // namespace lookback::media
