#include "recorder/aac_depacketizer.h"

#include <vector>

#include "media/audio.h"
#include "media/bit_reader.h"

namespace lookback::recorder {

AacDepacketizer::AacDepacketizer(const RtpFormat& format, SampleSink& sink)
    : sink_(sink),
      size_bits_(format.aac_size_bits),
      index_bits_(format.aac_index_bits),
      index_delta_bits_(format.aac_index_delta_bits) {
  if (const auto config = media::ParseAacConfig(format.config.audio_config)) {
    frame_ticks_ = config->frame_samples;
  }
}

void AacDepacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (context.lost > 0) {
    lost_ += context.lost;
    damaged_ = true;
    partial_.clear();
  }
  if (PushFrames(packet, context)) return;
  damaged_ = true;
  partial_.clear();
}

bool AacDepacketizer::PushFrames(const RtpPacket& packet, const PacketContext& context) {
  ByteReader reader(packet.payload);
  const uint16_t header_bits = reader.U16();
  const ByteSpan headers = reader.Take((size_t{header_bits} + 7) / 8);
  if (!reader.ok()) return false;

  media::BitReader bits(headers, media::BitReader::Source::kPlainBytes);
  std::vector<size_t> sizes;
  for (int left = header_bits; left > 0 && sizes.size() < kMaxFramesPerPacket;) {
    const int index_bits = sizes.empty() ? index_bits_ : index_delta_bits_;
    sizes.push_back(bits.Bits(size_bits_));
    // Another index than 0 means interleaving, which AAC-hbr does not need and no camera does.
    if (bits.Bits(index_bits) != 0 || !bits.ok() || sizes.back() > kMaxFrameBytes) return false;
    left -= size_bits_ + index_bits;
  }
  if (sizes.empty()) return false;

  if (sizes.size() == 1 && sizes[0] > reader.remaining()) {  // A piece of one frame.
    if (partial_.empty() || context.time != partial_time_) {
      partial_.clear();
      partial_size_ = sizes[0];
      partial_time_ = context.time;
    }
    const ByteSpan piece = reader.Take(reader.remaining());
    if (piece.empty() || partial_.size() + piece.size() > partial_size_) return false;
    partial_.insert(partial_.end(), piece.begin(), piece.end());
    if (partial_.size() == partial_size_) {
      Emit(partial_, partial_time_, context.received_us);
      partial_.clear();
    }
    return true;
  }
  partial_.clear();
  for (size_t i = 0; i < sizes.size(); ++i) {
    const ByteSpan frame = reader.Take(sizes[i]);
    if (!reader.ok() || frame.empty()) return false;
    Emit(frame, context.time + static_cast<int64_t>(i) * frame_ticks_, context.received_us);
  }
  return true;
}

void AacDepacketizer::Emit(ByteSpan frame, int64_t pts, int64_t received_us) {
  media::Sample sample;
  sample.track = media::TrackKind::kAudio;
  sample.pts = pts;
  sample.received_us = received_us;
  sample.sync = media::Sync::kClosed;
  sample.damaged = damaged_;
  sample.lost_packets = lost_;
  sample.data.assign(frame.begin(), frame.end());
  damaged_ = false;
  lost_ = 0;
  sink_.OnSample(std::move(sample));
}

}  // namespace lookback::recorder
