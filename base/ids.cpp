#include "base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

namespace lookback {

Result<CameraId> CameraId::Parse(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kMaxLength &&
                    std::all_of(text.begin(), text.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                    });
  if (!good) {
    return Fail(Code::kInvalid, "camera id \"" + std::string(text.substr(0, 80)) +
                                    "\" is not allowed; use 1 to 64 of a-z, 0-9 and \"-\"");
  }
  CameraId id;
  id.text_ = std::string(text);
  return id;
}

std::string_view StreamName(Stream stream) { return stream == Stream::kMain ? "main" : "sub"; }

Result<Stream> ParseStream(std::string_view text) {
  if (text == "main") return Stream::kMain;
  if (text == "sub") return Stream::kSub;
  return Fail(Code::kInvalid, "stream \"" + std::string(text.substr(0, 32)) +
                                  "\" is not known; use \"main\" or \"sub\"");
}

void RandomBytes(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = getrandom(out.data() + done, out.size() - done, 0);
    LB_CHECK(n > 0 || errno == EINTR);
    if (n > 0) done += static_cast<size_t>(n);
  }
}

Uuid Uuid::Random() {
  Uuid uuid;
  RandomBytes(uuid.bytes);
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

Uuid Uuid::TimeOrdered(int64_t time_us) {
  Uuid uuid = Random();
  const auto ms = static_cast<uint64_t>(time_us / 1'000);
  for (size_t i = 0; i < 6; ++i) uuid.bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | 0x70);
  return uuid;
}

Result<Uuid> Uuid::Parse(std::string_view text) {
  std::string hex;
  for (const char c : text.substr(0, 64)) {
    if (c != '-') hex.push_back(c);
  }
  Bytes raw;
  if (hex.size() != 32 || !HexDecode(hex, raw)) {
    return Fail(Code::kInvalid, "\"" + std::string(text.substr(0, 64)) + "\" is not a UUID");
  }
  Uuid uuid;
  std::copy(raw.begin(), raw.end(), uuid.bytes.begin());
  return uuid;
}

std::string Uuid::text() const {
  const std::string hex = HexEncode(bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

}  // namespace lookback
