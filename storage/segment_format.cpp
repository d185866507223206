#include "storage/segment_format.h"

#include <algorithm>
#include <string>

#include "media/bmff.h"

namespace lookback::storage {
namespace {

constexpr uint8_t kCameraOffsetKnown = 1;
constexpr uint8_t kImported = 2;
constexpr uint8_t kThinned = 4;
constexpr uint8_t kKnownFlags = kCameraOffsetKnown | kImported | kThinned;
constexpr uint32_t kTrailerVersion = 1;

auto CorruptBox(const std::string& what) { return Fail(Code::kCorrupt, what); }

void AppendDigest(Bytes& box) {
  const uint64_t digest = Xxh3_64(box);
  ByteWriter(box).U64(digest);
}

// Sizes stand before the digest is known, so that the digest covers them too.
void WriteHead(ByteWriter& out, const Uuid& type, size_t size) {
  out.U32(static_cast<uint32_t>(size));
  out.Text("uuid");
  out.Raw(type.bytes);
}

// Checks size, type and digest; a reader of what stands between them.
Result<ByteReader> OpenBox(ByteSpan box, const Uuid& type, const std::string& name) {
  media::BoxReader boxes(box);
  media::Box found;
  if (!boxes.Next(found) || found.size != box.size() || found.extended_type != type ||
      found.body.size() != box.size() - kUuidHeadBytes || found.body.size() < kXxh3Bytes) {
    return CorruptBox(name + " expected");
  }
  const size_t covered = box.size() - kXxh3Bytes;
  ByteReader digest(box.subspan(covered));
  if (digest.U64() != Xxh3_64(box.first(covered))) return CorruptBox(name + " has a wrong digest");
  return ByteReader(box.subspan(kUuidHeadBytes, covered - kUuidHeadBytes));
}

Uuid ReadUuid(ByteReader& in) {
  Uuid uuid;
  const ByteSpan raw = in.Take(uuid.bytes.size());
  std::copy(raw.begin(), raw.end(), uuid.bytes.begin());
  return uuid;
}

bool IsInstant(TimeUs time_us) { return kTimeMinUs <= time_us && time_us < kTimeMaxUs; }

}  // namespace

uint64_t SegmentIndex::lost_packets() const {
  uint64_t sum = 0;
  for (const SegmentFragment& fragment : fragments) sum += fragment.info.lost_packets;
  return sum;
}

index::SegmentKey KeyOf(const SegmentHeader& header) {
  return {header.stream, header.start_us, header.epoch, header.sequence, header.thinned};
}

Bytes EncodeSegmentHeader(const SegmentHeader& header) {
  constexpr size_t kFixedBytes = 88;
  const std::string& camera = header.stream.camera.text();
  Bytes box;
  ByteWriter out(box);
  WriteHead(out, kSegmentHeaderType, kUuidHeadBytes + kFixedBytes + camera.size() + kXxh3Bytes);
  out.U32(header.format_version);
  out.Raw(header.store.bytes);
  out.Raw(header.volume.bytes);
  out.Raw(header.run.bytes);
  out.U32(header.epoch);
  out.U32(header.sequence);
  out.I64(header.start_us);
  out.I64(header.start_monotonic_us);
  out.U8(static_cast<uint8_t>(header.clock));
  out.U8(static_cast<uint8_t>((header.has_camera_offset ? kCameraOffsetKnown : 0) |
                              (header.imported ? kImported : 0) | (header.thinned ? kThinned : 0)));
  out.U8(static_cast<uint8_t>(header.stream.stream));
  out.U8(static_cast<uint8_t>(camera.size()));
  out.I64(header.has_camera_offset ? header.camera_offset_us : 0);
  out.Text(camera);
  AppendDigest(box);
  return box;
}

Result<SegmentHeader> ParseSegmentHeader(ByteSpan box) {
  LB_TRY_ASSIGN(in, OpenBox(box, kSegmentHeaderType, "LKSG"));
  SegmentHeader header;
  header.format_version = in.U32();
  if (header.format_version > kSegmentFormatVersion) {
    return Fail(Code::kUnsupported,
                "the segment has format version " + std::to_string(header.format_version) +
                    "; this build reads up to " + std::to_string(kSegmentFormatVersion));
  }
  header.store = ReadUuid(in);
  header.volume = ReadUuid(in);
  header.run = ReadUuid(in);
  header.epoch = in.U32();
  header.sequence = in.U32();
  header.start_us = in.I64();
  header.start_monotonic_us = in.I64();
  const uint8_t clock = in.U8();
  const uint8_t flags = in.U8();
  const uint8_t stream = in.U8();
  const uint8_t camera_bytes = in.U8();
  header.camera_offset_us = in.I64();
  const ByteSpan camera = in.Take(camera_bytes);
  if (!in.ok() || in.remaining() != 0) return CorruptBox("LKSG of a wrong length");
  if (header.format_version == 0 || clock > 1 || flags > kKnownFlags || stream > 1 ||
      !IsInstant(header.start_us)) {
    return CorruptBox("LKSG with a field out of range");
  }
  header.clock = static_cast<ClockState>(clock);
  header.has_camera_offset = (flags & kCameraOffsetKnown) != 0;
  header.imported = (flags & kImported) != 0;
  header.thinned = (flags & kThinned) != 0;
  header.stream.stream = static_cast<Stream>(stream);
  Result<CameraId> id = CameraId::Parse(AsText(camera));
  if (!id) return CorruptBox("LKSG: " + id.message());
  header.stream.camera = std::move(*id);
  return header;
}

Bytes EncodeFragmentTrailer(const Uuid& run, const media::FragmentInfo& info, uint64_t digest) {
  Bytes box;
  box.reserve(kFragmentTrailerBytes);
  ByteWriter out(box);
  WriteHead(out, kFragmentTrailerType, kFragmentTrailerBytes);
  out.U32(kTrailerVersion);
  out.Raw(run.bytes);
  out.U32(info.number);
  out.U32(info.flags);
  out.I64(info.start_us);
  out.I64(info.end_us);
  out.U32(info.length);
  out.U32(info.lost_packets);
  out.U64(digest);
  out.U32(0);
  AppendDigest(box);
  LB_CHECK(box.size() == kFragmentTrailerBytes);
  return box;
}

Result<FragmentTrailer> ParseFragmentTrailer(ByteSpan box) {
  if (box.size() != kFragmentTrailerBytes) return CorruptBox("LKFR of a wrong length");
  LB_TRY_ASSIGN(in, OpenBox(box, kFragmentTrailerType, "LKFR"));
  FragmentTrailer trailer;
  if (in.U32() != kTrailerVersion) return Fail(Code::kUnsupported, "LKFR of a later version");
  trailer.run = ReadUuid(in);
  trailer.number = in.U32();
  trailer.flags = in.U32();
  trailer.start_us = in.I64();
  trailer.end_us = in.I64();
  trailer.length = in.U32();
  trailer.lost_packets = in.U32();
  trailer.digest = in.U64();
  if (trailer.number == 0 || trailer.length > media::kMaxFragmentLength || in.U32() != 0 ||
      !IsInstant(trailer.start_us) || !IsInstant(trailer.end_us) ||
      trailer.end_us <= trailer.start_us) {
    return CorruptBox("LKFR with a field out of range");
  }
  return trailer;
}

}  // namespace lookback::storage
