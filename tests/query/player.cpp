#include "tests/query/player.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <memory>

#include "base/checksum.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
}

namespace lookback::test {
namespace {

std::vector<std::string>* g_complaints = nullptr;

void Collect(void* context, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR || g_complaints == nullptr) return;
  char line[512];
  int prefix = 1;
  av_log_format_line(context, level, format, arguments, line, sizeof line, &prefix);
  g_complaints->push_back(line);
}

struct Source {
  const ReadBytes& read;
  uint64_t size;
  uint64_t at = 0;
};

int ReadSome(void* opaque, uint8_t* into, int count) {
  auto* source = static_cast<Source*>(opaque);
  if (source->at >= source->size) return AVERROR_EOF;
  const int64_t got = source->read(source->at, {into, static_cast<size_t>(count)});
  if (got <= 0) return AVERROR(EIO);
  source->at += static_cast<uint64_t>(got);
  return static_cast<int>(got);
}

int64_t Seek(void* opaque, int64_t offset, int whence) {
  auto* source = static_cast<Source*>(opaque);
  if (whence == AVSEEK_SIZE) return static_cast<int64_t>(source->size);
  if (whence == SEEK_CUR) offset += static_cast<int64_t>(source->at);
  if (whence == SEEK_END) offset += static_cast<int64_t>(source->size);
  source->at = static_cast<uint64_t>(offset);
  return offset;
}

int64_t ToUs(int64_t ticks, AVRational base) {
  return av_rescale_q(ticks, base, AVRational{1, 1'000'000});
}

uint64_t HashPicture(const AVFrame& frame) {
  Xxh64Hasher hasher;
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  for (int plane = 0; plane < 3 && frame.data[plane] != nullptr; ++plane) {
    const int shift_x = plane > 0 ? format->log2_chroma_w : 0;
    const int shift_y = plane > 0 ? format->log2_chroma_h : 0;
    for (int y = 0; y < frame.height >> shift_y; ++y) {
      hasher.Update({frame.data[plane] + static_cast<ptrdiff_t>(y) * frame.linesize[plane],
                     static_cast<size_t>(frame.width >> shift_x)});
    }
  }
  return hasher.Digest();
}

class Player {
 public:
  explicit Player(Played& played) : played_(played) {}
  ~Player() {
    avcodec_free_context(&decoder_);
    av_packet_free(&packet_);
    av_frame_free(&frame_);
    avformat_close_input(&format_);
    if (io_ != nullptr) av_freep(&io_->buffer);
    avio_context_free(&io_);
  }

  void Run(Source& source) {
    constexpr int kBufferBytes = 32'768;
    auto* buffer = static_cast<uint8_t*>(av_malloc(kBufferBytes));
    io_ = avio_alloc_context(buffer, kBufferBytes, 0, &source, ReadSome, nullptr, Seek);
    format_ = avformat_alloc_context();
    format_->pb = io_;
    if (avformat_open_input(&format_, nullptr, nullptr, nullptr) < 0) return Failed("open");
    if (avformat_find_stream_info(format_, nullptr) < 0) return Failed("stream info");
    played_.duration_us = format_->duration;
    video_ = av_find_best_stream(format_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (video_ >= 0) {
      const AVStream* stream = format_->streams[video_];
      played_.video_duration_us = ToUs(stream->duration, stream->time_base);
      decoder_ = avcodec_alloc_context3(avcodec_find_decoder(stream->codecpar->codec_id));
      avcodec_parameters_to_context(decoder_, stream->codecpar);
      decoder_->thread_count = 1;
      if (avcodec_open2(decoder_, nullptr, nullptr) < 0) return Failed("decoder");
    }
    packet_ = av_packet_alloc();
    frame_ = av_frame_alloc();
    while (true) {
      const int result = av_read_frame(format_, packet_);
      if (result == AVERROR_EOF) break;
      if (result < 0) return Failed("read");
      if (packet_->stream_index == video_) {
        if (avcodec_send_packet(decoder_, packet_) < 0) Failed("decode");
        Drain();
      } else {
        const AVStream* stream = format_->streams[packet_->stream_index];
        played_.sound.push_back({ToUs(packet_->pts, stream->time_base),
                                 Xxh3_64({packet_->data, static_cast<size_t>(packet_->size)}),
                                 (packet_->flags & AV_PKT_FLAG_DISCARD) != 0});
      }
      av_packet_unref(packet_);
    }
    if (decoder_ != nullptr) {
      avcodec_send_packet(decoder_, nullptr);
      Drain();
    }
  }

 private:
  void Failed(const char* what) {
    if (played_.error.empty()) played_.error = what;
  }

  void Drain() {
    while (avcodec_receive_frame(decoder_, frame_) >= 0) {
      const AVStream* stream = format_->streams[video_];
      played_.pictures.push_back({ToUs(frame_->best_effort_timestamp, stream->time_base),
                                  HashPicture(*frame_), frame_->width});
      if ((frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0) Failed("corrupt picture");
      av_frame_unref(frame_);
    }
  }

  Played& played_;
  AVFormatContext* format_ = nullptr;
  AVIOContext* io_ = nullptr;
  AVCodecContext* decoder_ = nullptr;
  AVPacket* packet_ = nullptr;
  AVFrame* frame_ = nullptr;
  int video_ = -1;
};

}  // namespace

Played Play(const ReadBytes& read, uint64_t size) {
  Played played;
  g_complaints = &played.complaints;
  av_log_set_callback(Collect);
  Source source{read, size};
  Player(played).Run(source);
  g_complaints = nullptr;
  return played;
}

Played PlayFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<uint64_t>(file.tellg());
  return Play(
      [&file](uint64_t offset, std::span<uint8_t> into) {
        file.clear();
        file.seekg(static_cast<std::streamoff>(offset));
        // The one cast that iostreams ask for.
        file.read(static_cast<char*>(static_cast<void*>(into.data())),
                  static_cast<std::streamsize>(into.size()));
        return static_cast<int64_t>(file.gcount());
      },
      size);
}

}  // namespace lookback::test
