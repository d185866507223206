#include "storage/segment_copy.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "storage/layout.h"

namespace lookback::storage {
namespace {

constexpr size_t kCopyReadBytes = 1 << 20;

// Reads the sealed bytes front to back, and tells each part to `take`; whether their
// SHA-256 is that of the seal.
Result<bool> Agrees(const File& file, const index::Seal& seal, const OnRead& on_read,
                    const std::function<Status(uint64_t, ByteSpan)>& take) {
  LB_TRY_ASSIGN(size, file.Size());
  if (size != seal.bytes) return false;
  Sha256Hasher hasher;
  Bytes buffer(kCopyReadBytes);
  for (uint64_t at = 0; at < size;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(kCopyReadBytes, size - at));
    if (on_read && !on_read(wanted)) return Fail(Code::kUnavailable, "the copying was stopped");
    const auto part = std::span(buffer).first(wanted);
    LB_TRY_ASSIGN(read, file.ReadAt(at, part));
    if (read != wanted) return false;
    hasher.Update(part);
    LB_TRY(take(at, part));
    at += wanted;
  }
  return hasher.Finish() == seal.sha256;
}

Status Write(const File& from, const index::Seal& seal, File& to, const OnRead& on_read) {
  uint64_t unsynced = 0;
  Status written = Ok();
  const auto write = [&](uint64_t at, ByteSpan part) {
    written = to.WriteAt(at, std::span(&part, 1));
    unsynced += part.size();
    if (written && unsynced >= kCopySyncBytes) {
      unsynced = 0;
      written = to.Sync();
    }
    return written;
  };
  const auto agrees = Agrees(from, seal, on_read, write);
  LB_TRY(std::move(written));
  if (!agrees.has_value() && agrees.code() == Code::kUnavailable) return Pass(agrees.error());
  if (!agrees.has_value()) {
    return Fail(Code::kCorrupt, SegmentPath(index::KeyOf(seal)) +
                                    " is not copied, for it cannot be read: " + agrees.message());
  }
  if (!*agrees) {
    return Fail(Code::kCorrupt, SegmentPath(index::KeyOf(seal)) +
                                    " is not copied: its bytes are not those that were sealed");
  }
  return to.Sync();
}

}  // namespace

Status CheckCopy(Volume& volume, const index::Seal& seal, const OnRead& on_read) {
  LB_TRY_ASSIGN(file, volume.Open(index::KeyOf(seal)));
  file->ForgetCached();
  LB_TRY_ASSIGN(agrees, Agrees(*file, seal, on_read, [](uint64_t, ByteSpan) { return Ok(); }));
  file->ForgetCached();  // Nobody is about to read it.
  if (agrees) return Ok();
  return Fail(Code::kCorrupt,
              PathOn(volume, index::KeyOf(seal)) + " has not the bytes that were sealed");
}

Status CopySegment(const File& from, const index::Seal& seal, Volume& to, const OnRead& on_read) {
  LB_TRY_ASSIGN(file, to.Create(index::KeyOf(seal)));
  Status copied = Write(from, seal, *file, on_read);
  file.reset();
  if (copied) {
    copied = CheckCopy(to, seal, on_read);
    if (!copied && copied.code() == Code::kCorrupt) {
      copied = Fail(Code::kDiskFailed,
                    PathOn(to, index::KeyOf(seal)) + " does not read back as it was written");
    }
  }
  if (!copied) (void)to.Remove(index::KeyOf(seal));
  return copied;
}

}  // namespace lookback::storage
