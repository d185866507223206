#include "media/picture.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>

#include "media/demuxer.h"
#include "media/nal.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

namespace lookback::media {
namespace {

// Of 2 (best) to 31: no block is seen, at a tenth of a megabyte for HD.
constexpr int kQuality = 4;

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Context = std::unique_ptr<AVCodecContext, FreeContext>;
using Frame = std::unique_ptr<AVFrame, FreeFrame>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

Result<AVCodecID> CodecIdOf(Codec codec) {
  switch (codec) {
    case Codec::kH264:
      return AV_CODEC_ID_H264;
    case Codec::kH265:
      return AV_CODEC_ID_HEVC;
    case Codec::kMjpeg:
      return AV_CODEC_ID_MJPEG;
    default:
      return Fail(Code::kUnsupported, "sound has no pictures");
  }
}

void AppendNal(Bytes& out, ByteSpan nal) {
  constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
  out.insert(out.end(), std::begin(kStartCode), std::end(kStartCode));
  out.insert(out.end(), nal.begin(), nal.end());
}

// A decoder of one track, fed with samples as they are stored.
class Decoder {
 public:
  static Result<Decoder> Open(const TrackConfig& track) {
    LB_TRY_ASSIGN(id, CodecIdOf(track.codec));
    const AVCodec* const codec = avcodec_find_decoder(id);
    if (codec == nullptr) return Fail(Code::kUnsupported, "this build has no such decoder");
    Decoder decoder;
    decoder.nals_ = id != AV_CODEC_ID_MJPEG;
    decoder.context_.reset(avcodec_alloc_context3(codec));
    AVCodecContext& context = *decoder.context_;
    context.thread_count = 1;
    context.max_pixels = kMaxPicturePixels;
    context.pkt_timebase = {1, static_cast<int>(track.timescale)};
    Bytes sets;
    for (const auto* list : {&track.vps, &track.sps, &track.pps}) {
      for (const Bytes& set : *list) AppendNal(sets, set);
    }
    if (decoder.nals_ && !sets.empty()) {
      auto* const extra =
          static_cast<uint8_t*>(av_mallocz(sets.size() + AV_INPUT_BUFFER_PADDING_SIZE));
      std::copy(sets.begin(), sets.end(), extra);
      context.extradata = extra;
      context.extradata_size = static_cast<int>(sets.size());
    }
    if (avcodec_open2(&context, codec, nullptr) < 0) {
      return Fail(Code::kUnsupported, "the decoder refuses these parameter sets");
    }
    return decoder;
  }

  // False when the decoder cannot take it.
  bool Send(ByteSpan sample, int64_t pts) {
    stream_.clear();
    if (nals_) {
      NalReader nals(sample);
      for (ByteSpan nal; nals.Next(nal);) AppendNal(stream_, nal);
    } else {
      stream_.assign(sample.begin(), sample.end());
    }
    if (stream_.empty()) return false;
    if (av_new_packet(packet_.get(), static_cast<int>(stream_.size())) < 0) return false;
    std::copy(stream_.begin(), stream_.end(), packet_->data);
    packet_->pts = pts;
    const bool taken = avcodec_send_packet(context_.get(), packet_.get()) >= 0;
    av_packet_unref(packet_.get());
    return taken;
  }
  void End() { (void)avcodec_send_packet(context_.get(), nullptr); }

  // The next picture, or nullptr when it wants more samples or has no further one.
  AVFrame* Next() {
    return avcodec_receive_frame(context_.get(), frame_.get()) >= 0 ? frame_.get() : nullptr;
  }

 private:
  Context context_;
  Packet packet_{av_packet_alloc()};
  Frame frame_{av_frame_alloc()};
  Bytes stream_;
  bool nals_ = true;
};

Result<Frame> MakeFrame(uint32_t width, uint32_t height) {
  Frame frame(av_frame_alloc());
  frame->format = AV_PIX_FMT_YUVJ420P;
  frame->width = static_cast<int>(width);
  frame->height = static_cast<int>(height);
  frame->color_range = AVCOL_RANGE_JPEG;
  if (av_frame_get_buffer(frame.get(), 0) < 0) {
    return Fail(Code::kUnavailable, "no memory for a picture");
  }
  return frame;
}

bool IsFullRange(const AVFrame& frame) {
  return frame.color_range == AVCOL_RANGE_JPEG || frame.format == AV_PIX_FMT_YUVJ420P ||
         frame.format == AV_PIX_FMT_YUVJ422P || frame.format == AV_PIX_FMT_YUVJ444P;
}

// Into the part of `to` that begins at those bytes and is so large.
Status Scale(const AVFrame& from, uint8_t* const planes[4], const int strides[4], uint32_t width,
             uint32_t height) {
  const Scaler scaler(sws_getContext(
      from.width, from.height, static_cast<AVPixelFormat>(from.format), static_cast<int>(width),
      static_cast<int>(height), AV_PIX_FMT_YUVJ420P, SWS_BICUBIC, nullptr, nullptr, nullptr));
  if (!scaler) return Fail(Code::kUnsupported, "pictures of this form cannot be converted");
  // JFIF has the matrix of BT.601.
  const int* const matrix =
      sws_getCoefficients(from.colorspace == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  (void)sws_setColorspaceDetails(scaler.get(), matrix, IsFullRange(from) ? 1 : 0,
                                 sws_getCoefficients(SWS_CS_ITU601), 1, 0, 1 << 16, 1 << 16);
  if (sws_scale(scaler.get(), from.data, from.linesize, 0, from.height, planes, strides) <= 0) {
    return Fail(Code::kUnsupported, "a picture cannot be converted");
  }
  return Ok();
}

Result<Bytes> Encode(AVFrame& frame) {
  const AVCodec* const codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  if (codec == nullptr) return Fail(Code::kUnsupported, "this build has no JPEG encoder");
  const Context context(avcodec_alloc_context3(codec));
  context->thread_count = 1;
  context->width = frame.width;
  context->height = frame.height;
  context->pix_fmt = AV_PIX_FMT_YUVJ420P;
  context->color_range = AVCOL_RANGE_JPEG;
  context->time_base = {1, 1};
  context->flags |= AV_CODEC_FLAG_QSCALE;
  context->global_quality = kQuality * FF_QP2LAMBDA;
  frame.quality = context->global_quality;
  frame.pts = 0;
  const Packet packet(av_packet_alloc());
  if (avcodec_open2(context.get(), codec, nullptr) < 0 ||
      avcodec_send_frame(context.get(), &frame) < 0 ||
      avcodec_receive_packet(context.get(), packet.get()) < 0) {
    return Fail(Code::kUnsupported, "a picture of " + std::to_string(frame.width) + " x " +
                                        std::to_string(frame.height) + " cannot be JPEG");
  }
  return Bytes(packet->data, packet->data + packet->size);
}

Result<Bytes> ToJpeg(const AVFrame& picture, uint32_t width) {
  const auto own_width = static_cast<uint32_t>(picture.width);
  const auto own_height = static_cast<uint32_t>(picture.height);
  if (width == 0 || width >= own_width) width = own_width;
  const uint32_t height = std::max<uint32_t>(
      1, static_cast<uint32_t>((uint64_t{own_height} * width + own_width / 2) / own_width));
  LB_TRY_ASSIGN(frame, MakeFrame(width, height));
  LB_TRY(Scale(picture, frame->data, frame->linesize, width, height));
  return Encode(*frame);
}

struct Size {
  uint32_t width = 0;
  uint32_t height = 0;
};

// As large as fits, both even, and of the picture's own shape.
Size Fit(const AVFrame& picture, const Grid& grid) {
  const auto width = static_cast<uint64_t>(picture.width);
  const auto height = static_cast<uint64_t>(picture.height);
  const uint64_t fit = std::min<uint64_t>(grid.cell_width, width * grid.cell_height / height);
  const auto even = [](uint64_t side) { return std::max(2U, static_cast<uint32_t>(side) & ~1U); };
  return {even(fit), std::min(grid.cell_height, even(height * fit / width))};
}

void Blacken(AVFrame& frame) {
  for (int plane = 0; plane < 3; ++plane) {
    const int rows = plane == 0 ? frame.height : (frame.height + 1) / 2;
    const size_t bytes = static_cast<size_t>(frame.linesize[plane]) * static_cast<size_t>(rows);
    std::fill_n(frame.data[plane], bytes, plane == 0 ? uint8_t{0} : uint8_t{128});
  }
}

}  // namespace

Result<Bytes> MakePicture(const File& file, WhichPicture which, uint32_t width, const Clock& clock,
                          int64_t timeout_us) {
  const int64_t until_us = clock.MonotonicUs() + timeout_us;
  const std::atomic<bool> stop = false;
  Demuxer::Options options;
  options.open_timeout_us = timeout_us;
  LB_TRY_ASSIGN(demuxer, Demuxer::OpenFile(file, options, clock, stop));
  const TrackConfig& track = demuxer->tracks().front();
  if (int64_t{track.width} * track.height > kMaxPicturePixels) {
    return Fail(Code::kUnsupported, "pictures of " + std::to_string(track.width) + " x " +
                                        std::to_string(track.height) + " are too large");
  }
  LB_TRY_ASSIGN(decoder, Decoder::Open(track));
  Frame best;  // Decoders may give pictures in another order than they are shown in.
  for (size_t count = 0; count < kMaxPictureSamples; ++count) {
    if (clock.MonotonicUs() > until_us) {
      return Fail(Code::kUnavailable, "decoding the picture took too long");
    }
    LB_TRY_ASSIGN(sample, demuxer->Next());
    // What the decoder refuses may still not be needed for the wanted picture; that tells.
    if (sample) (void)decoder.Send(sample->data, sample->pts);
    const bool last = !sample || which == WhichPicture::kFirstStored;
    if (last) decoder.End();
    while (const AVFrame* const frame = decoder.Next()) {
      const bool hidden = which == WhichPicture::kFirstShown && frame->pts < demuxer->first_shown();
      if (!hidden && (!best || frame->pts < best->pts)) best.reset(av_frame_clone(frame));
    }
    if (best && (last || best->pts == demuxer->first_shown())) return ToJpeg(*best, width);
    if (last) return Fail(Code::kCorrupt, "the samples cannot be decoded to this picture");
  }
  return Fail(Code::kUnsupported, "the picture is more than " + std::to_string(kMaxPictureSamples) +
                                      " samples behind its sync sample");
}

Result<Bytes> MakeGrid(const std::vector<Bytes>& pictures, const Grid& grid) {
  const auto rows = grid.columns == 0 ? 0 : (pictures.size() + grid.columns - 1) / grid.columns;
  const bool even = grid.cell_width % 2 == 0 && grid.cell_height % 2 == 0;
  if (rows == 0 || grid.cell_width == 0 || grid.cell_height == 0 || !even ||
      uint64_t{grid.columns} * grid.cell_width > kMaxGridSide ||
      uint64_t{rows} * grid.cell_height > kMaxGridSide) {
    return Fail(Code::kInvalid, "a grid has at most 8192 x 8192 pixels, in cells of even sides");
  }
  LB_TRY_ASSIGN(whole, MakeFrame(grid.columns * grid.cell_width,
                                 static_cast<uint32_t>(rows) * grid.cell_height));
  Blacken(*whole);
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (pictures[i].empty()) continue;
    TrackConfig jpeg;
    jpeg.codec = Codec::kMjpeg;
    LB_TRY_ASSIGN(decoder, Decoder::Open(jpeg));
    (void)decoder.Send(pictures[i], 0);
    decoder.End();
    const AVFrame* const picture = decoder.Next();
    if (picture == nullptr) return Fail(Code::kCorrupt, "a cell of a grid is no JPEG picture");
    const Size size = Fit(*picture, grid);
    const size_t left = i % grid.columns * grid.cell_width + (grid.cell_width - size.width) / 4 * 2;
    const size_t top =
        i / grid.columns * grid.cell_height + (grid.cell_height - size.height) / 4 * 2;
    uint8_t* planes[4] = {};
    for (int plane = 0; plane < 3; ++plane) {
      const size_t half = plane == 0 ? 1 : 2;
      planes[plane] = whole->data[plane] +
                      top / half * static_cast<size_t>(whole->linesize[plane]) + left / half;
    }
    LB_TRY(Scale(*picture, planes, whole->linesize, size.width, size.height));
  }
  return Encode(*whole);
}

}  // namespace lookback::media
