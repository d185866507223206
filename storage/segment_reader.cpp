#include "storage/segment_reader.h"

#include <algorithm>

#include "media/bmff.h"
#include "media/fragmenter.h"

namespace lookback::storage {
namespace {

using media::MakeFourCc;

constexpr size_t kHeadGuessBytes = 4 << 10;
constexpr size_t kTailGuessBytes = 64 << 10;
constexpr size_t kScanReadBytes = 1 << 20;  // Of one read while scanning.
constexpr size_t kSliceBytes = 128 << 10;
constexpr size_t kBoxHeadBytes = 8;
constexpr size_t kMaxHeaderBytes = 512;  // LKSG has at most 184.

auto Corrupt(uint64_t offset, const std::string& what) {
  return Fail(Code::kCorrupt, "at byte " + std::to_string(offset) + ": " + what);
}

uint32_t BoxSize(ByteSpan head) { return ByteReader(head).U32(); }
uint32_t BoxType(ByteSpan head) { return ByteReader(head.subspan(4)).U32(); }
bool IsUuid(ByteSpan head, const Uuid& type) {
  return BoxType(head) == MakeFourCc("uuid") &&
         std::equal(type.bytes.begin(), type.bytes.end(), head.begin() + kBoxHeadBytes);
}

// A window on a file that moves forward, hashing what it leaves behind when asked to.
class ForwardReader {
 public:
  explicit ForwardReader(const File& file) : file_(file) {}

  // The next `count` bytes without stepping over them; fewer at the end of the file.
  Result<ByteSpan> Peek(size_t count) {
    if (buffer_.size() - begin_ < count) LB_TRY(Fill(count));
    return ByteSpan(buffer_).subspan(begin_, std::min(count, buffer_.size() - begin_));
  }
  void Step(size_t count) { begin_ += count; }
  uint64_t offset() const { return buffer_offset_ + begin_; }

 private:
  Status Fill(size_t count) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
    buffer_offset_ += begin_;
    begin_ = 0;
    const size_t kept = buffer_.size();
    buffer_.resize(std::max(count, kept + kScanReadBytes));
    const auto got = file_.ReadAt(buffer_offset_ + kept, std::span(buffer_).subspan(kept));
    buffer_.resize(kept + (got ? *got : 0));
    if (!got) return Pass(got.error());
    return Ok();
  }

  const File& file_;
  Bytes buffer_;
  size_t begin_ = 0;
  uint64_t buffer_offset_ = 0;
};

// Reads box by box: `peek(n)` gives the first n bytes of the file, or fewer.
template <typename Peek>
Result<uint64_t> ReadHead(Peek peek, SegmentIndex& index) {
  uint64_t position = 0;
  for (const char* type : {"ftyp", "moov"}) {
    LB_TRY_ASSIGN(head, peek(position + kBoxHeadBytes));
    if (head.size() < position + kBoxHeadBytes) return Corrupt(position, "the file ends");
    head = head.subspan(position);
    if (BoxType(head) != MakeFourCc(type))
      return Corrupt(position, std::string(type) + " expected");
    const uint32_t size = BoxSize(head);
    if (size < kBoxHeadBytes || position + size > kMaxInitBytes) {
      return Corrupt(position, std::string(type) + " of a size above 1 MiB or below 8 bytes");
    }
    position += size;
  }
  LB_TRY_ASSIGN(until_header, peek(position + kUuidHeadBytes));
  if (until_header.size() < position + kUuidHeadBytes) {
    return Corrupt(until_header.size(), "the file ends before LKSG");
  }
  const uint32_t size = BoxSize(until_header.subspan(position));
  if (size < kUuidHeadBytes || size > kMaxHeaderBytes) return Corrupt(position, "LKSG expected");
  LB_TRY_ASSIGN(whole, peek(position + size));
  if (whole.size() < position + size) return Corrupt(whole.size(), "the file ends in LKSG");
  index.init.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(position));
  auto header = ParseSegmentHeader(whole.subspan(position));
  if (!header) return Pass(header.error(), "at byte " + std::to_string(position));
  index.header = std::move(*header);
  const auto tracks = media::ParseInitSection(index.init);
  if (!tracks) return Pass(tracks.error(), "at byte 0");
  return position + size;
}

// Reads the head of a file by itself.
Result<uint64_t> ReadHeadAt(const File& file, SegmentIndex& index) {
  Bytes buffer;
  const auto peek = [&](size_t count) -> Result<ByteSpan> {
    if (buffer.size() < count) {
      buffer.resize(std::max(count, kHeadGuessBytes));
      LB_TRY_ASSIGN(got, file.ReadAt(0, buffer));
      buffer.resize(got);
    }
    return ByteSpan(buffer).first(std::min(count, buffer.size()));
  };
  return ReadHead(peek, index);
}

// The bytes of the fragment that begins at the reader, without its LKFR. Sizes are believed only
// as far as they are read.
Result<uint64_t> FragmentLength(ForwardReader& reader) {
  uint64_t length = 0;
  const auto step = [&](const char* type) -> Status {
    LB_TRY_ASSIGN(bytes, reader.Peek(length + kBoxHeadBytes));
    const uint64_t at = reader.offset() + length;
    if (bytes.size() < length + kBoxHeadBytes) {
      return Corrupt(at, "the file ends where " + std::string(type) + " is expected");
    }
    const ByteSpan head = bytes.subspan(length);
    const uint64_t size = BoxSize(head);
    if (BoxType(head) != MakeFourCc(type)) return Corrupt(at, std::string(type) + " expected");
    if (size < kBoxHeadBytes || length + size > media::kMaxFragmentLength) {
      return Corrupt(at, std::string(type) + " of a size above 48 MiB or below 8 bytes");
    }
    length += size;
    return Ok();
  };
  LB_TRY(step("prft"));
  for (size_t track = 0; track < media::kMaxTracks; ++track) {
    if (track > 0) {
      LB_TRY_ASSIGN(bytes, reader.Peek(length + kBoxHeadBytes));
      if (bytes.size() < length + kBoxHeadBytes ||
          BoxType(bytes.subspan(length)) != MakeFourCc("moof")) {
        break;
      }
    }
    LB_TRY(step("moof"));
    LB_TRY(step("mdat"));
  }
  return length;
}

// What one walk carries along.
struct Scan {
  ForwardReader reader;
  ScanResult result;
  Xxh128Hasher xxh;
  Sha256Hasher sha;
  uint64_t samples = 0;

  void Take(ByteSpan bytes) {
    xxh.Update(bytes);
    sha.Update(bytes);
    reader.Step(bytes.size());
    result.good_bytes = reader.offset();
  }
};

// Reads one fragment and its LKFR, and takes both if they are good.
Status ScanFragment(Scan& scan) {
  const uint64_t offset = scan.reader.offset();
  LB_TRY_ASSIGN(length, FragmentLength(scan.reader));
  LB_TRY_ASSIGN(bytes, scan.reader.Peek(length + kFragmentTrailerBytes));
  if (bytes.size() < length + kFragmentTrailerBytes) {
    return Corrupt(offset + bytes.size(), "the file ends inside of a fragment");
  }
  const ByteSpan body = bytes.first(length);
  const auto trailer = ParseFragmentTrailer(bytes.subspan(length));
  if (!trailer) return Pass(trailer.error(), "at byte " + std::to_string(offset + length));
  if (trailer->length != length || trailer->digest != Xxh3_64(body)) {
    return Corrupt(offset, "the fragment's bytes contradict its LKFR");
  }
  auto info = media::ParseFragment(body);
  if (!info) return Pass(info.error(), "at byte " + std::to_string(offset));
  if (trailer->run != scan.result.index.header.run || trailer->number != info->number) {
    return Corrupt(offset + length, "LKFR of another run or fragment");
  }
  for (const media::FragmentTrack& track : info->tracks) scan.samples += track.samples.size();
  if (scan.samples > kMaxSegmentSamples ||
      scan.result.index.fragments.size() >= kMaxSegmentFragments) {
    return Corrupt(offset, "more samples or fragments than a segment may have");
  }
  info->flags = trailer->flags;
  info->start_us = trailer->start_us;
  info->end_us = trailer->end_us;
  info->lost_packets = trailer->lost_packets;
  scan.result.index.fragments.push_back({offset, std::move(*info)});
  scan.Take(bytes);
  return Ok();
}

// Reads the LKEN that begins at the reader and ends the file.
Status ScanEnd(Scan& scan) {
  const uint64_t offset = scan.reader.offset();
  LB_TRY_ASSIGN(head, scan.reader.Peek(kUuidHeadBytes));
  const uint64_t size = BoxSize(head);
  if (size > kMaxSegmentEndBytes) return Corrupt(offset, "LKEN of a size above 16 MiB");
  LB_TRY_ASSIGN(bytes, scan.reader.Peek(size + 1));
  if (bytes.size() < size) return Corrupt(offset, "the file ends inside of LKEN");
  if (bytes.size() > size) return Corrupt(offset + size, "bytes after LKEN");
  const auto end = ParseSegmentEnd(bytes);
  if (!end) return Pass(end.error(), "at byte " + std::to_string(offset));
  SegmentIndex& index = scan.result.index;
  if (end->preceding != scan.xxh.Digest()) return Corrupt(offset, "LKEN has another digest");
  if (end->fragments != index.fragments) return Corrupt(offset, "LKEN has another table");
  scan.sha.Update(bytes);
  scan.reader.Step(bytes.size());
  scan.result.end_valid = true;
  index.closed = true;
  index.recovered = end->recovered;
  index.file_bytes = scan.reader.offset();
  return Ok();
}

// Takes what comes next; false at the end of the walk.
Result<bool> ScanNext(Scan& scan) {
  LB_TRY_ASSIGN(head, scan.reader.Peek(kUuidHeadBytes));
  if (head.empty()) return false;
  if (head.size() == kUuidHeadBytes && IsUuid(head, kSegmentEndType)) {
    LB_TRY(ScanEnd(scan));
    return false;
  }
  LB_TRY(ScanFragment(scan));
  return true;
}

}  // namespace

Result<SegmentTail> ReadSegmentTail(const File& file) {
  LB_TRY_ASSIGN(size, file.Size());
  Bytes tail(std::min<uint64_t>(size, kTailGuessBytes));
  LB_TRY_ASSIGN(got, file.ReadAt(size - tail.size(), tail));
  const uint64_t length = got == tail.size() ? SegmentEndLength(tail) : 0;
  if (length == 0 || length > size) return Corrupt(size, "no LKEN ends the file");
  if (length > tail.size()) {
    tail.resize(length);
    LB_TRY_ASSIGN(again, file.ReadAt(size - length, tail));
    if (again != length) return Corrupt(size, "the file grew shorter");
  }
  const uint64_t end_offset = size - length;
  auto end = ParseSegmentEnd(ByteSpan(tail).last(length));
  if (!end) return Pass(end.error(), "at byte " + std::to_string(end_offset));
  return SegmentTail{std::move(*end), end_offset, size};
}

Result<SegmentIndex> ReadClosedSegment(const File& file) {
  LB_TRY_ASSIGN(tail, ReadSegmentTail(file));
  SegmentEnd& end = tail.end;
  SegmentIndex index;
  LB_TRY_ASSIGN(head_bytes, ReadHeadAt(file, index));
  uint64_t expected = head_bytes;
  if (!end.fragments.empty()) {
    if (end.fragments[0].offset != head_bytes) return Corrupt(tail.offset, "LKEN of another file");
    const SegmentFragment& last = end.fragments.back();
    expected = last.offset + last.info.length + kFragmentTrailerBytes;
  }
  if (expected != tail.offset) {
    return Corrupt(tail.offset, "LKEN does not follow its last fragment");
  }
  index.fragments = std::move(end.fragments);
  index.closed = true;
  index.recovered = end.recovered;
  index.file_bytes = tail.file_bytes;
  return index;
}

std::string Contradiction(const SegmentIndex& index, const Uuid& store,
                          const index::SegmentKey& key, TimeUs end_us) {
  const SegmentHeader& head = index.header;
  if (head.store != store || head.stream != key.stream || head.epoch != key.epoch ||
      head.sequence != key.sequence || head.start_us != key.start_us) {
    return "its head is that of segment " + std::to_string(head.sequence) + " of epoch " +
           std::to_string(head.epoch) + " of " + head.stream.text() + ", starting at " +
           FormatTime(head.start_us);
  }
  if (head.thinned != key.thinned) {
    return head.thinned ? "its head says that it is thinned"
                        : "its head says that it is not thinned";
  }
  if (index.end_us() == end_us) return "";
  return "its own index ends at " + FormatTime(index.end_us());
}

Result<std::string_view> ReadFragment(const File& file, const FragmentPlace& place, Bytes& buffer) {
  const size_t wanted = place.length + kFragmentTrailerBytes;
  if (buffer.size() < wanted) buffer.resize(wanted);
  // In slices, so that each is hashed while it is in the processor's cache.
  Xxh64Hasher hasher;
  for (size_t at = 0; at < wanted;) {
    const std::span<uint8_t> slice(buffer.data() + at, std::min(kSliceBytes, wanted - at));
    LB_TRY_ASSIGN(count, file.ReadAt(place.offset + at, slice));
    if (count < slice.size()) return "the file is shorter than its index says";
    if (at < place.length) hasher.Update(slice.first(std::min(count, place.length - at)));
    at += count;
  }
  const auto trailer =
      ParseFragmentTrailer(ByteSpan(buffer).subspan(place.length, kFragmentTrailerBytes));
  if (!trailer) return "the checksum behind it is damaged";
  if (trailer->run != place.run || trailer->number != place.number ||
      trailer->length != place.length) {
    return "another fragment stands there";
  }
  if (hasher.Digest() != trailer->digest) return "its checksum does not agree";
  return "";
}

Result<ScanResult> ScanSegment(const File& file, const std::function<bool(uint64_t)>& progress) {
  Scan scan{ForwardReader(file), {}, {}, {}};
  const auto peek = [&scan](size_t count) { return scan.reader.Peek(count); };
  LB_TRY_ASSIGN(head_bytes, ReadHead(peek, scan.result.index));
  LB_TRY_ASSIGN(head, scan.reader.Peek(head_bytes));
  scan.Take(head);
  while (true) {
    if (progress && !progress(scan.reader.offset())) {
      return Fail(Code::kUnavailable, "the scan was stopped");
    }
    const Result<bool> more = ScanNext(scan);
    if (!more.has_value()) {
      if (more.code() == Code::kDiskFailed) return Pass(more.error());
      scan.result.problem = more.message();
      break;
    }
    if (!*more) break;
  }
  scan.result.digest = scan.xxh.Digest();
  if (scan.result.end_valid) {
    scan.result.sha256 = scan.sha.Finish();
  } else {
    scan.result.index.file_bytes = scan.result.good_bytes;
  }
  return std::move(scan.result);
}

}  // namespace lookback::storage
