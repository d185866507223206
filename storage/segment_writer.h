// storage/segment_writer.h: one segment file, from its first fragment to its LKEN.
//
// Invariant: a fragment is one write. After a failed one the file is never touched again by this
//            object: Append and Close are refused, and recovery finds out what is good in it.
// Threads:   the volume's writer; live() on any.
// Errors:    kDiskFull, kDiskFailed. When the very first write fails the file is removed again:
//            there is nothing in it.
#pragma once

#include <memory>

#include "base/checksum.h"
#include "media/fragment.h"
#include "storage/live_segment.h"
#include "storage/volume.h"

namespace lookback::storage {

class SegmentWriter {
 public:
  // `expected_bytes`: how long the file may become; 0 reserves nothing ahead.
  SegmentWriter(Volume& volume, SegmentHeader header, const Bytes& init, uint64_t expected_bytes);

  Status Append(const media::Fragment& fragment);
  // LKEN, then what was reserved and not used is given back. live() then has its row. `recovered`:
  // what the LKEN says of itself.
  Status Close(bool recovered = false);

  const std::shared_ptr<LiveSegment>& live() const { return live_; }
  bool empty() const { return bytes_ == 0; }  // Nothing is in a file yet.
  TimeUs start_us() const { return header_.start_us; }
  uint64_t bytes() const { return bytes_; }
  // Whether the file with `fragment` and its LKEN stays within the limits of
  // storage/segment_format.h, which its readers insist on.
  bool HasRoomFor(const media::Fragment& fragment) const;

 private:
  Status Write(std::span<const ByteSpan> parts);
  void Digest(ByteSpan bytes);
  uint64_t DigestFragment(const media::Fragment& fragment);

  Volume& volume_;
  const SegmentHeader header_;
  const Bytes head_;  // init + LKSG, written with the first fragment.
  const uint64_t expected_bytes_;
  const std::shared_ptr<LiveSegment> live_;
  std::unique_ptr<File> file_;
  uint64_t bytes_ = 0;
  uint64_t table_bytes_ = 0;  // An upper bound of LKEN's size.
  uint64_t fragments_ = 0;
  uint64_t samples_ = 0;
  bool done_ = false;  // Failed or closed.
  Xxh128Hasher xxh_;
  Sha256Hasher sha_;
};

}  // namespace lookback::storage
