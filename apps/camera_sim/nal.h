// apps/camera_sim/nal.h: NAL units of H.264 and H.265 as bytes: splitting, joining,
// emulation prevention.
//
// Invariant: spans returned point into the span given, and lie within it.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a length that runs past its buffer.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lookback::camera_sim {

enum class VideoCodec : uint8_t { kH264, kH265, kMjpeg };

// Of H.264: ISO/IEC 14496-10 table 7-1.
enum NalType : uint8_t {
  kNalSlice = 1,
  kNalIdrSlice = 5,
  kNalSei = 6,
  kNalSps = 7,
  kNalPps = 8,
  kNalAccessUnitDelimiter = 9,
};

// The length prefix of everything the simulator joins.
inline constexpr size_t kNalLengthBytes = 4;

// `nal` must not be empty.
inline uint8_t NalTypeOf(ByteSpan nal) { return nal[0] & 0x1f; }

enum class NalKind : uint8_t { kSlice, kSyncSlice, kDelimiter, kVps, kSps, kPps, kSei, kOther };

// Of either codec (ISO/IEC 23008-2 table 7-1 for H.265, where IDR, BLA and CRA slices are sync
// slices). `nal` must not be empty.
NalKind KindOf(VideoCodec codec, ByteSpan nal);

// NAL units between start codes (annex B), without trailing zero bytes; empty ones are left out.
std::vector<ByteSpan> SplitAnnexB(ByteSpan stream);

// NAL units behind length prefixes of 1 to 4 bytes ("avcC" format); empty ones are left out.
Result<std::vector<ByteSpan>> SplitLengthPrefixed(ByteSpan sample, size_t length_bytes);

// Appends `nal` behind its four-byte length.
void AppendLengthPrefixed(ByteSpan nal, Bytes& out);

// Inserts, or takes out, the emulation prevention bytes of clause 7.4.1.
Bytes Escape(ByteSpan rbsp);
Bytes Unescape(ByteSpan escaped);

}  // namespace lookback::camera_sim
