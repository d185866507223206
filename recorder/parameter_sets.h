// recorder/parameter_sets.h: the H.264 parameter sets that are in force, from the description and
// from the stream itself.
//
// Invariant: for each id the latest set is kept, in order of ids, so that a stream that sends them
//            in turns is not taken for one that changes.
// Threads:   values.
// Errors:    sets that make no sense, or exceed a limit below, are left out.
#pragma once

#include <map>
#include <optional>

#include "base/bytes.h"
#include "media/track.h"

namespace lookback::recorder {

class ParameterSets {
 public:
  static constexpr size_t kMaxSetBytes = 4 << 10;

  // A NAL unit without length; other types are passed over.
  void Add(ByteSpan nal);

  struct Found {
    bool sps = false;
    bool pps = false;
  };
  // Adds those that an access unit holds. A sequence parameter set that differs from the one of its
  // id makes the picture parameter sets of before void.
  Found AddFrom(ByteSpan access_unit);

  // The track that they describe; nullopt while a set is missing or makes no sense.
  std::optional<media::TrackConfig> Config() const;

  // Whether Config() would differ from that of the last call of Config().
  bool changed() const { return changed_; }

 private:
  std::map<uint32_t, Bytes> sps_;  // At most 32,
  std::map<uint32_t, Bytes> pps_;  // and 256.
  mutable bool changed_ = false;
};

// `access_unit` with the track's parameter sets in front (behind an access unit delimiter).
Bytes WithParameterSets(const media::TrackConfig& track, ByteSpan access_unit);

}  // namespace lookback::recorder
