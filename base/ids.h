// base/ids.h: the names of things: cameras, streams, and 16-byte identities.
//
// Invariant: a CameraId that exists is well formed, so it may stand in a path, a key and a URL as
//            is.
// Threads:   values. Uuid::Random() on any thread.
// Errors:    kInvalid, with what is allowed.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lookback {

// The permanent name of a camera: [a-z0-9-]{1,64}. Never reused for another camera.
class CameraId {
 public:
  static constexpr size_t kMaxLength = 64;

  CameraId() = default;  // Empty: no camera.
  static Result<CameraId> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }

  friend bool operator==(const CameraId&, const CameraId&) = default;
  friend auto operator<=>(const CameraId&, const CameraId&) = default;

 private:
  std::string text_;
};

// A camera's encodings (ONVIF media profiles): the one that is evidence, and a light one for tiles.
enum class Stream : uint8_t { kMain = 0, kSub = 1 };

std::string_view StreamName(Stream stream);  // "main", "sub"
Result<Stream> ParseStream(std::string_view text);

// What is recorded is always one stream of one camera.
struct StreamId {
  CameraId camera;
  Stream stream = Stream::kMain;

  std::string text() const { return camera.text() + "/" + std::string(StreamName(stream)); }
  friend bool operator==(const StreamId&, const StreamId&) = default;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  static Uuid Random();  // Version 4, from the kernel's generator.
  // Version 7 (RFC 9562 §5.7): of two that are a millisecond apart, the later one is greater.
  static Uuid TimeOrdered(int64_t time_us);
  static Result<Uuid> Parse(std::string_view text);  // With or without hyphens.
  std::string text() const;                          // 8-4-4-4-12, lower case.
  bool zero() const { return *this == Uuid{}; }

  friend bool operator==(const Uuid&, const Uuid&) = default;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// Fills `out` from the kernel's generator: salts, tokens, jitter.
void RandomBytes(std::span<uint8_t> out);

}  // namespace lookback

template <>
struct std::hash<lookback::StreamId> {
  size_t operator()(const lookback::StreamId& id) const noexcept {
    return std::hash<std::string>()(id.camera.text()) * 31 + static_cast<size_t>(id.stream);
  }
};
