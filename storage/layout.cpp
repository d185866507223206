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

std::string SegmentName(const index::SegmentKey& key) {
  std::string name = std::to_string(key.start_us / kUsPerMs);
  name.append("_").append(std::to_string(key.epoch));
  name.append("_").append(std::to_string(key.sequence));
  if (key.thinned) name.append(kThinned);
  return name;
}

Result<index::SegmentKey> ParseSegmentName(const StreamId& stream, std::string_view name) {
  index::SegmentKey key;
  key.stream = stream;
  std::string_view rest = name;
  key.thinned = rest.ends_with(kThinned);
  if (key.thinned) rest.remove_suffix(kThinned.size());
  std::array<std::string_view, 3> numbers;
  int64_t start_ms = 0;
  const bool read = Split(rest, '_', numbers) && ParseNumber(numbers[0], start_ms) &&
                    ParseNumber(numbers[1], key.epoch) && ParseNumber(numbers[2], key.sequence) &&
                    start_ms >= 0 && start_ms < kTimeMaxUs / kUsPerMs;
  if (read) key.start_us = start_ms * kUsPerMs;
  // Leading zeros and the like: only the name that we would have made is ours.
  if (!read || SegmentName(key) != name) {
    return Fail(Code::kInvalid,
                "\"" + std::string(name.substr(0, 256)) + "\" is not the name of a segment");
  }
  return key;
}

std::string SegmentPath(const index::SegmentKey& key) {
  std::string path(kFormatFolder);
  path.append("/").append(key.stream.camera.text());
  path.append("/").append(StreamName(key.stream.stream));
  path.append("/").append(FormatDay(key.start_us));
  return path.append("/").append(SegmentName(key)).append(kExtension);
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
  const auto camera = CameraId::Parse(folders[1]);
  const auto stream = ParseStream(folders[2]);
  if (!camera || !stream) return refuse();
  auto key = ParseSegmentName({*camera, *stream}, name);
  // A wrong day and the like: only the path that we would have made is ours.
  if (!key || SegmentPath(*key) != path) return refuse();
  return key;
}

}  // namespace lookback::storage
