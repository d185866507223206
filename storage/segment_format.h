// storage/segment_format.h: the bytes of a segment file, as docs/format.md lays them down.
//
//   segment  = ftyp moov LKSG fragment* [LKEN]
//   fragment = prft (moof mdat){1,2} LKFR
//
// Invariant: LKFR covers the fragment before it (XXH3-64), LKEN covers all before it (XXH3-128) and
//            ends with its own length, so that one read from the end of a file finds it. A file
//            without LKEN is open, or was when the power went; its fragments are good one by one.
// Threads:   values.
// Errors:    kCorrupt, with the offset and what was expected. Parsers are safe on hostile bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/time.h"
#include "index/records.h"
#include "media/fragment.h"

namespace lookback::storage {

inline constexpr uint32_t kSegmentFormatVersion = 1;
inline constexpr int64_t kNominalSegmentUs = 60 * kUsPerSecond;
using index::kMaxSegmentUs;
inline constexpr uint64_t kMaxSegmentBytes = 128 << 20;
inline constexpr int64_t kMaxRunUs = 24 * kUsPerHour;

// How far the server's wall clock was to be trusted when a run began.
enum class ClockState : uint8_t { kSynchronised = 0, kUnsynchronised = 1 };

// Limits of what a reader takes from a file.
inline constexpr uint64_t kMaxInitBytes = 1 << 20;
inline constexpr uint64_t kMaxSegmentEndBytes = 16 << 20;
inline constexpr uint32_t kMaxSegmentFragments = 1 << 16;
inline constexpr uint64_t kMaxSegmentSamples = 1 << 20;  // Of all tracks together.

// The extended types of our boxes: four letters, then twelve bytes that all three share.
constexpr Uuid SegmentBoxType(const char (&name)[5]) {
  return Uuid{{static_cast<uint8_t>(name[0]), static_cast<uint8_t>(name[1]),
               static_cast<uint8_t>(name[2]), static_cast<uint8_t>(name[3]), 0x6c, 0x6f, 0x4f, 0x6b,
               0x82, 0x61, 0x63, 0x6b, 0x2d, 0x73, 0x65, 0x67}};
}
// Size, `uuid`, extended type (ISO/IEC 14496-12 §4.2).
inline constexpr size_t kUuidHeadBytes = 24;
inline constexpr Uuid kSegmentHeaderType = SegmentBoxType("LKSG");
inline constexpr Uuid kFragmentTrailerType = SegmentBoxType("LKFR");
inline constexpr Uuid kSegmentEndType = SegmentBoxType("LKEN");

// The `uuid` box LKSG: who, where and when.
struct SegmentHeader {
  uint32_t format_version = kSegmentFormatVersion;
  Uuid store;
  Uuid volume;
  Uuid run;
  StreamId stream;
  uint32_t epoch = 0;
  uint32_t sequence = 0;  // In the epoch and stream, from 0.
  TimeUs start_us = 0;    // UTC of the first fragment.
  int64_t start_monotonic_us = 0;
  ClockState clock = ClockState::kSynchronised;
  bool has_camera_offset = false;
  int64_t camera_offset_us = 0;  // Camera's clock minus ours, by its sender reports.
  bool imported = false;         // From a file, not from a camera.
  bool thinned = false;          // Holds sync samples alone (storage/segment_thin.h).

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

index::SegmentKey KeyOf(const SegmentHeader& header);

// A fragment's place in a segment file.
struct SegmentFragment {
  uint64_t offset = 0;  // Of its `prft` in the file.
  media::FragmentInfo info;

  friend bool operator==(const SegmentFragment&, const SegmentFragment&) = default;
};

// All that a reader needs to cut and serve a segment without reading its samples.
struct SegmentIndex {
  SegmentHeader header;
  Bytes init;                              // `ftyp`+`moov`.
  std::vector<SegmentFragment> fragments;  // In file order.
  bool closed = false;                     // Has a valid LKEN.
  bool recovered = false;                  // Its LKEN was written by recovery.
  uint64_t file_bytes = 0;                 // Up to the end of LKEN, or of the last good LKFR.

  TimeUs start_us() const { return header.start_us; }
  TimeUs end_us() const {
    return fragments.empty() ? header.start_us : fragments.back().info.end_us;
  }
  uint64_t lost_packets() const;
  friend bool operator==(const SegmentIndex&, const SegmentIndex&) = default;
};

Bytes EncodeSegmentHeader(const SegmentHeader& header);
Result<SegmentHeader> ParseSegmentHeader(ByteSpan box);  // The whole box.

// `digest`: XXH3-64 of the fragment's bytes. Fixed size, kFragmentTrailerBytes.
inline constexpr size_t kFragmentTrailerBytes = 96;
Bytes EncodeFragmentTrailer(const Uuid& run, const media::FragmentInfo& info, uint64_t digest);
struct FragmentTrailer {
  Uuid run;
  uint32_t number = 0;
  uint32_t flags = 0;
  TimeUs start_us = 0;
  TimeUs end_us = 0;
  uint32_t length = 0;
  uint32_t lost_packets = 0;
  uint64_t digest = 0;
};
Result<FragmentTrailer> ParseFragmentTrailer(ByteSpan box);

// `preceding`: XXH3-128 of every byte of the file before the box.
Bytes EncodeSegmentEnd(const SegmentIndex& index, const Xxh128& preceding);
struct SegmentEnd {
  std::vector<SegmentFragment> fragments;
  bool recovered = false;
  Xxh128 preceding{};
};
Result<SegmentEnd> ParseSegmentEnd(ByteSpan box);

// The length that the last 8 bytes of a file claim for its LKEN; 0 when they cannot be one.
uint64_t SegmentEndLength(ByteSpan last_bytes);

}  // namespace lookback::storage
