#include "storage/segment_writer.h"

#include <algorithm>

namespace lookback::storage {
namespace {

// Upper bounds for LKEN: its frame, a fragment's fixed fields, and a sample's row.
constexpr uint64_t kEndFrameBytes = 256;
constexpr uint64_t kEndFragmentBytes = 256;
constexpr uint64_t kEndSampleBytes = 16;
// All digests pass over so much before they go on, while it is in the nearest cache.
constexpr size_t kHashedAtOnce = 16 << 10;

Bytes Head(const SegmentHeader& header, const Bytes& init) {
  Bytes head = init;
  const Bytes box = EncodeSegmentHeader(header);
  head.insert(head.end(), box.begin(), box.end());
  return head;
}

uint64_t SamplesOf(const media::FragmentInfo& info) {
  uint64_t samples = 0;
  for (const media::FragmentTrack& track : info.tracks) samples += track.samples.size();
  return samples;
}

uint64_t TableBytes(const media::FragmentInfo& info) {
  return kEndFragmentBytes + SamplesOf(info) * kEndSampleBytes;
}

}  // namespace

SegmentWriter::SegmentWriter(Volume& volume, SegmentHeader header, const Bytes& init,
                             uint64_t expected_bytes)
    : volume_(volume),
      header_(std::move(header)),
      head_(Head(header_, init)),
      expected_bytes_(expected_bytes),
      live_(std::make_shared<LiveSegment>(header_, init)),
      table_bytes_(kEndFrameBytes) {}

bool SegmentWriter::HasRoomFor(const media::Fragment& fragment) const {
  const uint64_t bytes = bytes_ + fragment.info.length + kFragmentTrailerBytes + table_bytes_ +
                         TableBytes(fragment.info);
  return bytes <= kMaxSegmentBytes && fragments_ < kMaxSegmentFragments &&
         samples_ + SamplesOf(fragment.info) <= kMaxSegmentSamples;
}

Status SegmentWriter::Write(std::span<const ByteSpan> parts) {
  const Status written = file_->WriteAt(bytes_, parts);
  if (!written) {
    done_ = true;
    return written;
  }
  for (const ByteSpan& part : parts) bytes_ += part.size();
  return Ok();
}

void SegmentWriter::Digest(ByteSpan bytes) {
  xxh_.Update(bytes);
  sha_.Update(bytes);
}

uint64_t SegmentWriter::DigestFragment(const media::Fragment& fragment) {
  Xxh64Hasher own;
  for (const Bytes& part : fragment.parts) {
    for (size_t at = 0; at < part.size(); at += kHashedAtOnce) {
      const ByteSpan piece = ByteSpan(part).subspan(at, std::min(kHashedAtOnce, part.size() - at));
      own.Update(piece);
      Digest(piece);
    }
  }
  return own.Digest();
}

Status SegmentWriter::Append(const media::Fragment& fragment) {
  LB_CHECK(!done_);
  const bool first = empty();
  if (first) {
    auto file = volume_.Create(live_->key());
    if (!file) {
      done_ = true;
      return Pass(file.error());
    }
    file_ = std::move(*file);
    // A help for the file system only: where it cannot, the write tells what matters.
    if (expected_bytes_ > 0) (void)file_->Reserve(0, expected_bytes_);
  }

  std::vector<ByteSpan> parts;
  parts.reserve(fragment.parts.size() + 2);
  if (first) {
    parts.emplace_back(head_);
    Digest(head_);
  }
  for (const Bytes& part : fragment.parts) parts.emplace_back(part);
  const Bytes trailer = EncodeFragmentTrailer(header_.run, fragment.info, DigestFragment(fragment));
  parts.emplace_back(trailer);
  Digest(trailer);

  const uint64_t offset = first ? head_.size() : bytes_;
  const Status written = Write(parts);
  if (!written) {
    file_.reset();
    if (first) (void)volume_.Remove(live_->key());
    return written;
  }
  table_bytes_ += TableBytes(fragment.info);
  samples_ += SamplesOf(fragment.info);
  ++fragments_;
  live_->Add({offset, fragment.info}, bytes_);
  return Ok();
}

Status SegmentWriter::Close(bool recovered) {
  LB_CHECK(!done_ && !empty());
  SegmentIndex index = *live_->View().open;
  index.closed = true;
  index.recovered = recovered;
  const Bytes end = EncodeSegmentEnd(index, xxh_.Digest());
  const ByteSpan part(end);
  Digest(part);
  Status status = Write(std::span(&part, 1));
  if (status) status = file_->Truncate(bytes_);
  done_ = true;
  file_.reset();
  if (!status) return status;
  index.file_bytes = bytes_;
  live_->Close(SealOf(index, sha_.Finish()));
  return Ok();
}

}  // namespace lookback::storage
