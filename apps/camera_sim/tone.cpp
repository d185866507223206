#include "apps/camera_sim/tone.h"

#include <cmath>
#include <memory>
#include <numbers>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
}

namespace lookback::camera_sim {
namespace {

constexpr double kToneHz = 250;  // A whole number of periods in every frame's multiple below.
constexpr double kAmplitude = 0.05;
constexpr int kAacRate = 16'000;
constexpr int kAacBitsPerSecond = 32'000;
constexpr int kG711Rate = 8'000;
constexpr int kG711FrameSamples = 160;
// 64 frames of 1024 samples at 16 kHz, and of 160 at 8 kHz, are whole numbers of periods.
constexpr int kLoopFrames = 64;

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

float Sample(int64_t index, int rate) {
  const double phase = 2 * std::numbers::pi * kToneHz * static_cast<double>(index) / rate;
  return static_cast<float>(kAmplitude * std::sin(phase));
}

const AVCodec* FindEncoder(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::kAac:
      return avcodec_find_encoder(AV_CODEC_ID_AAC);
    case AudioCodec::kPcma:
      return avcodec_find_encoder(AV_CODEC_ID_PCM_ALAW);
    case AudioCodec::kPcmu:
      return avcodec_find_encoder(AV_CODEC_ID_PCM_MULAW);
  }
  return nullptr;
}

void Fill(AVFrame& frame, int64_t first, int rate) {
  for (int i = 0; i < frame.nb_samples; ++i) {
    const float value = Sample(first + i, rate);
    if (frame.format == AV_SAMPLE_FMT_S16) {
      reinterpret_cast<int16_t*>(frame.data[0])[i] = static_cast<int16_t>(value * 32767);
    } else {
      reinterpret_cast<float*>(frame.data[0])[i] = value;
    }
  }
}

}  // namespace

Result<AudioTrack> MakeTone(AudioCodec codec) {
  const AVCodec* encoder = FindEncoder(codec);
  const std::unique_ptr<AVCodecContext, FreeContext> context(avcodec_alloc_context3(encoder));
  const std::unique_ptr<AVFrame, FreeFrame> frame(av_frame_alloc());
  const std::unique_ptr<AVPacket, FreePacket> packet(av_packet_alloc());
  const bool aac = codec == AudioCodec::kAac;
  AudioTrack track;
  track.codec = codec;
  track.sample_rate = aac ? kAacRate : kG711Rate;
  context->sample_rate = track.sample_rate;
  context->sample_fmt = encoder ? encoder->sample_fmts[0] : AV_SAMPLE_FMT_NONE;
  context->bit_rate = aac ? kAacBitsPerSecond : 0;
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av_channel_layout_default(&context->ch_layout, 1);
  if (!encoder || avcodec_open2(context.get(), encoder, nullptr) < 0) {
    return Fail(Code::kUnsupported, "libavcodec has no encoder for this audio");
  }
  track.samples_per_frame = aac ? context->frame_size : kG711FrameSamples;
  track.decoder_config.assign(context->extradata, context->extradata + context->extradata_size);

  frame->format = context->sample_fmt;
  frame->nb_samples = track.samples_per_frame;
  frame->sample_rate = track.sample_rate;
  av_channel_layout_default(&frame->ch_layout, 1);
  // The first frame out of an AAC encoder is its priming; the loop is what follows.
  int priming = aac ? 1 : 0;
  for (int64_t i = 0; static_cast<int>(track.frames.size()) < kLoopFrames; ++i) {
    if (av_frame_get_buffer(frame.get(), 0) < 0) return Fail(Code::kUnavailable, "out of memory");
    Fill(*frame, i * track.samples_per_frame, track.sample_rate);
    frame->pts = i * track.samples_per_frame;
    if (avcodec_send_frame(context.get(), frame.get()) < 0) {
      return Fail(Code::kUnsupported, "the audio encoder refused a frame");
    }
    for (AVBufferRef*& buffer : frame->buf) av_buffer_unref(&buffer);
    while (avcodec_receive_packet(context.get(), packet.get()) >= 0) {
      if (priming-- <= 0) track.frames.emplace_back(packet->data, packet->data + packet->size);
      av_packet_unref(packet.get());
    }
  }
  track.frames.resize(kLoopFrames);
  return track;
}

}  // namespace lookback::camera_sim
