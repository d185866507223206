// media/nal_codec.h: what H.264 and H.265 have in common for whoever moves NAL units about.
//
// Invariant: nothing here keeps or changes the bytes it reads.
// Threads:   free functions; no state.
// Errors:    kUnusable for what is no NAL unit of the codec; safe on hostile bytes, empty ones too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

enum class NalRole : uint8_t {
  kUnusable,  // Shorter than its header, or of a type that only RTP knows.
  kSlice,
  kDelimiter,
  kVps,  // H.265 only.
  kSps,
  kPps,
  kOther,  // SEI and whatever else; a parameter set of an enhancement layer too.
};

constexpr bool IsNalCodec(Codec codec) { return codec == Codec::kH264 || codec == Codec::kH265; }

constexpr size_t NalHeaderBytes(Codec codec) { return codec == Codec::kH265 ? 2 : 1; }

NalRole RoleOf(Codec codec, ByteSpan nal);

// Of a slice, of which `nal` may be only the beginning: whether it is the first of its picture, and
// whether its picture is an IDR, BLA or CRA picture.
bool BeginsPicture(Codec codec, ByteSpan nal);
bool IsRandomAccessSlice(Codec codec, ByteSpan nal);

// The id of a VPS, SPS or PPS; nullopt where it is cut short or exceeds what the standard allows.
std::optional<uint32_t> ParameterSetId(Codec codec, ByteSpan nal);

// Whether a decoder may start at this access unit.
Sync SyncOf(Codec codec, ByteSpan access_unit);

}  // namespace lookback::media
