// apps/camera_sim/sei.h: the mark that a simulated camera puts into each access unit.
//
// A "user data unregistered" SEI message (ISO/IEC 14496-10, D.1.7), payload type 5, whose payload
// is
//
//   16  UUID              6c6f6f6b-6261-636b-2d73-696d2d736569 ("lookback-sim-sei")
//    1  version           1
//    8  frame number      unsigned, big-endian
//    8  capture           signed, big-endian: microseconds of UTC since 1970
//    1  length of the id  1 to 64
//    n  camera id         ASCII
//
// written as a NAL unit of its own (06, or 4e 01 in H.265; 05, size, payload, 80) with emulation
// prevention. In a JPEG picture it is a comment segment (ff fe, length, payload) behind the
// entropy-coded data, in front of the end of image: RTP carries nothing of a picture's head.
//
// Threads:   free functions; no state.
// Errors:    what is not such a mark gives nullopt, whatever its bytes are.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "apps/camera_sim/nal.h"
#include "base/bytes.h"
#include "base/time.h"

namespace lookback::camera_sim {

inline constexpr std::array<uint8_t, 16> kMarkUuid = {'l', 'o', 'o', 'k', 'b', 'a', 'c', 'k',
                                                      '-', 's', 'i', 'm', '-', 's', 'e', 'i'};
inline constexpr uint8_t kMarkVersion = 1;
inline constexpr size_t kMarkCameraMaxBytes = 64;

struct Mark {
  std::string camera;
  uint64_t frame = 0;
  TimeUs capture_us = 0;

  friend bool operator==(const Mark&, const Mark&) = default;
};

// The SEI NAL unit, without start code or length. `mark.camera` has 1 to kMarkCameraMaxBytes bytes.
Bytes BuildMarkNal(const Mark& mark, VideoCodec codec = VideoCodec::kH264);

// Reads a mark from an SEI NAL unit; other messages beside it are skipped.
std::optional<Mark> ParseMarkNal(ByteSpan nal, VideoCodec codec = VideoCodec::kH264);

// The comment segment, and a mark from the last bytes of a JPEG picture.
Bytes BuildMarkComment(const Mark& mark);
std::optional<Mark> ParseMarkedPicture(ByteSpan picture);

// Reads a mark from an unescaped payload, UUID first, as decoders hand it over.
std::optional<Mark> ParseMarkPayload(ByteSpan payload);

}  // namespace lookback::camera_sim
