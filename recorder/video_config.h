// recorder/video_config.h: what a decoder of the video must know, from the description and from the
// stream itself: the parameter sets of H.264 and H.265, the size of JPEG pictures.
//
// Invariant: for each id the latest set is kept, in order of ids, so that a stream that sends them
//            in turns is not taken for one that changes.
// Threads:   values.
// Errors:    what makes no sense, or exceeds a limit below, is left out.
#pragma once

#include <map>
#include <optional>

#include "base/bytes.h"
#include "media/jpeg.h"
#include "media/nal_codec.h"
#include "media/track.h"

namespace lookback::recorder {

class VideoConfig {
 public:
  static constexpr size_t kMaxSetBytes = 4 << 10;

  explicit VideoConfig(media::Codec codec) : codec_(codec) {}

  // Adds the parameter sets that a description gave.
  void AddFrom(const media::TrackConfig& described);

  // Adds what a sample says. A sequence parameter set that differs from the one of its id makes the
  // picture parameter sets of before void. True when a decoder needs nothing besides the sample:
  // a set of each kind is in it.
  bool AddFrom(ByteSpan sample);

  // The track that results; nullopt while something is missing or makes no sense.
  std::optional<media::TrackConfig> Config() const;

  // Whether Config() would differ from that of the last call of Config().
  bool changed() const { return changed_; }

 private:
  using Sets = std::map<uint32_t, Bytes>;

  void AddSet(media::NalRole role, ByteSpan nal);
  bool AddPicture(ByteSpan picture);

  const media::Codec codec_;
  Sets vps_;  // At most 16,
  Sets sps_;  // 32,
  Sets pps_;  // and 256.
  std::optional<media::JpegSize> size_;
  mutable bool changed_ = false;
};

// `sample` with the track's parameter sets in front (behind an access unit delimiter); as it is for
// a codec that has none.
Bytes WithParameterSets(const media::TrackConfig& track, Bytes sample);

}  // namespace lookback::recorder
