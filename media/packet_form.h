// media/packet_form.h: how containers hold the access units of a track, and how these become
// samples.
//
// Invariant: NAL units and frames come out as they went in; only what stands around them changes.
// Threads:   values and free functions.
// Errors:    kCorrupt for bytes that break their own syntax; safe on hostile bytes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "media/track.h"

namespace lookback::media {

struct PacketForm {
  enum class Kind : uint8_t {
    kPlain,    // A packet is a sample.
    kAnnexB,   // NAL units between start codes.
    kLengths,  // NAL units behind lengths of `length_bytes`.
    kAdts,     // AAC frames behind ADTS headers (ISO/IEC 14496-3 §1.A.2).
  };
  Kind kind = Kind::kPlain;
  uint8_t length_bytes = 4;
};

// What a container says of an H.264 or H.265 track besides its codec: the body of `avcC` or `hvcC`,
// parameter sets in annex B, or nothing. The sets found go to `track`; what is missing is expected
// in band.
Result<PacketForm> ReadDecoderConfig(ByteSpan config, TrackConfig& track);

// The sample that a packet of a NAL codec holds; an empty one holds nothing.
Result<Bytes> SampleOf(const PacketForm& form, ByteSpan packet);

struct AdtsFrame {
  Bytes audio_config;  // The AudioSpecificConfig that says the same as its header.
  ByteSpan frame;
  size_t bytes = 0;  // With the header.
};
// The first frame of a packet. kUnsupported for one of several raw data blocks.
Result<AdtsFrame> ParseAdts(ByteSpan packet);

}  // namespace lookback::media
