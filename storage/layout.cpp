#include "storage/layout.h"

#include <array>
#include <charconv>

#include "base/file_system.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kExtension = ".mp4";
constexpr std::string_view kThinned = "_thin";

template <typename T>
bool ParseNumber(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Cuts `text` at `separator` into exactly N pieces.
template <size_t N>
bool Split(std::string_view text, char separator, std::array<std::string_view, N>& pieces) {
  for (size_t i = 0; i < N; ++i) {
    const size_t at = text.find(separator);
    if ((at == std::string_view::npos) != (i + 1 == N)) return false;
    pieces[i] = text.substr(0, at);
    if (i + 1 < N) text.remove_prefix(at + 1);
  }
  return true;
}

}  // namespace

std::string LedgerCopyPath(std::string_view root) {
  return JoinPath(JoinPath(root, kFormatFolder), kLedgerCopyFolder);
}

std::string SegmentPath(const index::SegmentKey& key) {
  std::string path(kFormatFolder);
  path.append("/").append(key.stream.camera.text());
  path.append("/").append(StreamName(key.stream.stream));
  path.append("/").append(FormatDay(key.start_us));
  path.append("/").append(std::to_string(key.start_us / kUsPerMs));
  path.append("_").append(std::to_string(key.epoch));
  path.append("_").append(std::to_string(key.sequence));
  if (key.thinned) path.append(kThinned);
  return path.append(kExtension);
}

Result<index::SegmentKey> ParseSegmentPath(std::string_view path) {
  const auto refuse = [&path] {
    return Fail(Code::kInvalid,
                "\"" + std::string(path.substr(0, 256)) + "\" is not the path of a segment");
  };
  std::array<std::string_view, 5> folders;
  if (!Split(path, '/', folders) || folders[0] != kFormatFolder) return refuse();
  std::string_view name = folders[4];
  if (!name.ends_with(kExtension)) return refuse();
  name.remove_suffix(kExtension.size());

  index::SegmentKey key;
  key.thinned = name.ends_with(kThinned);
  if (key.thinned) name.remove_suffix(kThinned.size());

  const auto camera = CameraId::Parse(folders[1]);
  const auto stream = ParseStream(folders[2]);
  std::array<std::string_view, 3> numbers;
  int64_t start_ms = 0;
  if (!camera || !stream || !Split(name, '_', numbers) || !ParseNumber(numbers[0], start_ms) ||
      !ParseNumber(numbers[1], key.epoch) || !ParseNumber(numbers[2], key.sequence)) {
    return refuse();
  }
  if (start_ms < 0 || start_ms >= kTimeMaxUs / kUsPerMs) return refuse();
  key.stream = {*camera, *stream};
  key.start_us = start_ms * kUsPerMs;
  // Leading zeros, a wrong day and the like: only the path that we would have made is ours.
  if (SegmentPath(key) != path) return refuse();
  return key;
}

}  // namespace lookback::storage
