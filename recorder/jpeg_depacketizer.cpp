#include "recorder/jpeg_depacketizer.h"

#include <utility>

#include "media/fragment.h"
#include "recorder/jpeg_headers.h"

namespace lookback::recorder {
namespace {

constexpr uint16_t kOnvifExtension = 0xffd8;
constexpr uint8_t kRestartTypes = 64;  // From here to 127: types 0 to 63 with restart markers.
constexpr uint8_t kMax422Type = 0, kMax420Type = 1;
constexpr uint8_t kFirstInBandQuality = 128;
constexpr uint8_t kChangingQuality = 255;  // Its tables hold for the one picture.
constexpr uint8_t kMaxComputedQuality = 99;
constexpr size_t kEndBytes = 2;  // Of an end of image.

}  // namespace

void JpegDepacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (context.lost > 0) {
    lost_ += context.lost;
    Drop();
    damaged_ = true;
  }
  if (context.time != time_) {
    // Nothing was lost, so what came is all there is: the camera forgot the marker.
    if (in_picture_) Emit();
    time_ = context.time;
  }
  received_us_ = context.received_us;
  if (!Take(packet)) {
    Drop();
    damaged_ = true;
  }
  if (packet.marker && in_picture_) Emit();
}

JpegDepacketizer::Head JpegDepacketizer::ReadHead(ByteReader& in) {
  constexpr uint16_t kPixelsAUnit = 8;
  Head head;
  head.type_specific = in.U8();
  head.offset = in.U24();
  head.type = in.U8();
  head.quality = in.U8();
  head.size.width = static_cast<uint16_t>(in.U8() * kPixelsAUnit);
  head.size.height = static_cast<uint16_t>(in.U8() * kPixelsAUnit);
  if (head.type >= kRestartTypes && head.type < 2 * kRestartTypes) {
    head.type -= kRestartTypes;
    head.restart_interval = in.U16();
    in.Skip(2);  // Which intervals begin and end here: all are needed anyway.
  }
  return head;
}

// False when the packet cannot be used, nor the picture that it is of.
bool JpegDepacketizer::Take(const RtpPacket& packet) {
  ByteReader in(packet.payload);
  const Head head = ReadHead(in);
  if (!in.ok()) return false;
  if (head.offset == 0) {
    if (!Begin(head, packet, in)) return false;
  } else if (!in_picture_) {
    return true;  // The rest of one that was dropped.
  }
  const ByteSpan piece = in.Take(in.remaining());
  const bool follows = head.offset == picture_.size() - scan_start_;
  if (!follows || picture_.size() + piece.size() + kEndBytes > media::kMaxSampleBytes) return false;
  picture_.insert(picture_.end(), piece.begin(), piece.end());
  return true;
}

bool JpegDepacketizer::Begin(const Head& head, const RtpPacket& packet, ByteReader& in) {
  constexpr uint8_t kOddField = 1, kEvenField = 2;
  if (in_picture_) Drop();
  if (head.type_specific == kOddField || head.type_specific == kEvenField) return false;
  JpegHeaders headers;
  if (packet.extension_profile == kOnvifExtension) headers.given = packet.extension;
  if (head.type > kMax420Type && headers.given.empty()) return false;
  Bytes tables;
  if (!ReadTables(head, in, tables)) return false;
  headers.size = head.size;
  if (head.size.width == 0 || head.size.height == 0) headers.size = described_size_;
  headers.half_height_chroma = head.type != kMax422Type;
  headers.restart_interval = head.restart_interval;
  headers.tables = tables;
  picture_.clear();
  picture_.reserve(usual_bytes_);
  if (!WriteJpegHeaders(headers, picture_)) return false;
  scan_start_ = picture_.size();
  in_picture_ = true;
  return true;
}

// §3.1.8 and §4.2.
bool JpegDepacketizer::ReadTables(const Head& head, ByteReader& in, Bytes& tables) {
  if (head.quality < kFirstInBandQuality) {
    if (head.quality == 0 || head.quality > kMaxComputedQuality) return false;
    const auto computed = JpegTablesOfQuality(head.quality);
    tables.assign(computed.begin(), computed.end());
    return true;
  }
  in.Skip(1);
  const uint8_t wide_tables = in.U8();  // A bit for each table of 16-bit values: not baseline.
  const ByteSpan given = in.Take(in.U16());
  if (!in.ok() || wide_tables != 0) return false;
  if (given.empty()) {
    const auto known = tables_.find(head.quality);
    if (known == tables_.end()) return false;
    tables = known->second;
    return true;
  }
  if (given.size() < kJpegTableBytes) return false;
  tables.assign(given.begin(), given.end());
  if (head.quality != kChangingQuality) tables_[head.quality] = tables;
  return true;
}

void JpegDepacketizer::Drop() {
  damaged_ = damaged_ || in_picture_;
  in_picture_ = false;
  picture_.clear();
}

void JpegDepacketizer::Emit() {
  in_picture_ = false;
  const size_t size = picture_.size();
  if (size == scan_start_) return;  // There was nothing but headers.
  const bool ended = size >= scan_start_ + kEndBytes && picture_[size - 2] == 0xff &&
                     picture_[size - 1] == static_cast<uint8_t>(media::JpegMarker::kEndOfImage);
  if (!ended) {
    picture_.push_back(0xff);
    picture_.push_back(static_cast<uint8_t>(media::JpegMarker::kEndOfImage));
  }
  usual_bytes_ = picture_.size() + picture_.size() / 8;
  media::Sample sample;
  sample.track = media::TrackKind::kVideo;
  sample.pts = time_;
  sample.received_us = received_us_;
  sample.sync = media::Sync::kClosed;
  sample.damaged = std::exchange(damaged_, false);
  sample.lost_packets = std::exchange(lost_, 0);
  sample.data = std::exchange(picture_, Bytes());
  sink_.OnSample(std::move(sample));
}

}  // namespace lookback::recorder
