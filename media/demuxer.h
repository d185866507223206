// media/demuxer.h: samples of whatever libavformat opens: a stream of a server, or a file.
//
// The first video track is taken, and the sound that belongs to it if it is wanted. H.264, H.265
// and MJPEG are taken; AAC, Opus, G.711 and G.726. Bytes stay as the container has them; times stay
// its own, in the ticks of the track. Whether a decoder may start at a sample is judged by its NAL
// units, not by what the container says.
//
// Invariant: a URL leads to http, https or rtmp and nothing else, whatever a playlist, a redirect
//            or a container names: no file of this machine can be reached. A file leads nowhere
//            else. One allocation is at most kMaxAllocationBytes. Of RTP, libavformat's own RTSP
//            and formats that only name other files nothing is opened.
// Threads:   one demuxer, one thread, which waits in Open and Next(); `stop` may be set on any, and
//            both then return within about 100 ms, or as soon as a name server answered.
// Errors:    kDenied: the server asks for other credentials. kUnavailable: no connection, or it
//            broke, or nothing came in time. kUnsupported names what there is and what is allowed.
//            kCorrupt, kInvalid, kNotFound: what came is of no use. Safe on hostile bytes.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

// What is allowed, for messages.
inline constexpr std::string_view kDemuxedVideo = "H.264, H.265 or MJPEG";
inline constexpr std::string_view kDemuxedAudio = "AAC, Opus, G.711 or G.726";
inline constexpr std::string_view kDemuxedFiles =
    "MP4, MOV, 3GP, MKV, WebM, AVI, FLV, MPEG-TS or MPEG-PS";

class Demuxer {
 public:
  static constexpr size_t kMaxAllocationBytes = 256 << 20;  // A process-wide limit of libavutil.
  static constexpr int kMaxStreams = 32;                    // Of a container.
  static constexpr int64_t kMaxProbeBytes = 5 << 20;
  static constexpr int64_t kMaxProbeUs = 5 * kUsPerSecond;  // Of media time.
  // What is read ahead until each track is known.
  static constexpr size_t kMaxAheadSamples = 512;
  static constexpr size_t kMaxAheadBytes = 24 << 20;

  struct Options {
    bool audio = false;
    int64_t open_timeout_us = 10 * kUsPerSecond;  // For all of Open.
    int64_t read_timeout_us = 10 * kUsPerSecond;  // For each Next().
    // For URLs.
    std::string user;
    std::string password;  // Never in a message.
    bool verify_tls = true;
  };

  // `clock` and `stop` must outlive the demuxer. `url` has no credentials in it.
  static Result<std::unique_ptr<Demuxer>> OpenUrl(const std::string& url, const Options& options,
                                                  const Clock& clock,
                                                  const std::atomic<bool>& stop);
  // So must `file`.
  static Result<std::unique_ptr<Demuxer>> OpenFile(const File& file, const Options& options,
                                                   const Clock& clock,
                                                   const std::atomic<bool>& stop);
  virtual ~Demuxer() = default;

  // Video first. Of H.264, H.265 and MJPEG what only the samples tell is missing.
  virtual const std::vector<TrackConfig>& tracks() const = 0;
  virtual std::string_view container() const = 0;  // "mpegts"
  // Sound that was wanted and cannot be kept ("audio in mp3"); else empty.
  virtual const std::string& left_out() const = 0;
  // The video time of the first picture that is to be shown; pictures before it are there for the
  // decoder's sake.
  virtual int64_t first_shown() const = 0;

  // The next sample of either track, in decoding order of each; nothing at the end.
  virtual Result<std::optional<Sample>> Next() = 0;

  virtual uint64_t read_bytes() const = 0;
};

}  // namespace lookback::media
