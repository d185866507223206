#include "apps/camera_sim/gst_feed.h"

namespace lookback::camera_sim {
namespace {

constexpr const char* kSourceOptions =
    " format=time is-live=true block=false stream-type=stream emit-signals=false ! ";

GstBuffer* NewBuffer(ByteSpan bytes) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes.size(), nullptr);
  gst_buffer_fill(buffer, 0, bytes.data(), bytes.size());
  return buffer;
}

void AddCodecData(GstCaps* caps, const Bytes& config) {
  GstBuffer* buffer = NewBuffer(config);
  gst_caps_set_simple(caps, "codec_data", GST_TYPE_BUFFER, buffer, nullptr);
  gst_buffer_unref(buffer);
}

GstCaps* VideoCaps(const Footage& footage) {
  if (footage.codec == VideoCodec::kMjpeg) {
    return gst_caps_new_simple("image/jpeg", "width", G_TYPE_INT, footage.width, "height",
                               G_TYPE_INT, footage.height, nullptr);
  }
  const bool h265 = footage.codec == VideoCodec::kH265;
  GstCaps* caps =
      gst_caps_new_simple(h265 ? "video/x-h265" : "video/x-h264", "stream-format", G_TYPE_STRING,
                          h265 ? "hvc1" : "avc", "alignment", G_TYPE_STRING, "au", nullptr);
  AddCodecData(caps, footage.decoder_config);
  return caps;
}

GstCaps* AudioCaps(const AudioTrack& track) {
  const auto caps_of = [&track](const char* type) {
    return gst_caps_new_simple(type, "rate", G_TYPE_INT, track.sample_rate, "channels", G_TYPE_INT,
                               1, nullptr);
  };
  switch (track.codec) {
    case AudioCodec::kPcma:
      return caps_of("audio/x-alaw");
    case AudioCodec::kPcmu:
      return caps_of("audio/x-mulaw");
    case AudioCodec::kOpus: {
      GstCaps* caps = caps_of("audio/x-opus");
      gst_caps_set_simple(caps, "channel-mapping-family", G_TYPE_INT, 0, nullptr);
      return caps;
    }
    case AudioCodec::kG726: {
      GstCaps* caps = caps_of("audio/x-adpcm");
      gst_caps_set_simple(caps, "layout", G_TYPE_STRING, "g726", "bitrate", G_TYPE_INT, 32'000,
                          nullptr);
      return caps;
    }
    case AudioCodec::kAac:
      break;
  }
  GstCaps* caps = caps_of("audio/mpeg");
  gst_caps_set_simple(caps, "mpegversion", G_TYPE_INT, 4, "stream-format", G_TYPE_STRING, "raw",
                      nullptr);
  AddCodecData(caps, track.decoder_config);
  return caps;
}

const char* AudioPayloader(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::kAac:
      return "rtpmp4gpay name=pay1 pt=97";
    case AudioCodec::kPcma:
      return "rtppcmapay name=pay1 pt=8";
    case AudioCodec::kPcmu:
      return "rtppcmupay name=pay1 pt=0";
    case AudioCodec::kOpus:
      return "rtpopuspay name=pay1 pt=97";
    case AudioCodec::kG726:
      // Else it sends AAL2's order of bits under the name of RFC 3551's.
      return "rtpg726pay name=pay1 pt=97 force-aal2=false";
  }
  return "";
}

// Parameter sets are put in band by the camera, so the payloaders add none of their own.
const char* VideoPayloader(VideoCodec codec) {
  switch (codec) {
    case VideoCodec::kH264:
      return "rtph264pay name=pay0 pt=96 config-interval=0";
    case VideoCodec::kH265:
      return "rtph265pay name=pay0 pt=96 config-interval=0";
    case VideoCodec::kMjpeg:
      return "rtpjpegpay name=pay0 pt=26";
  }
  return "";
}

// Finds a source in the media's bin and lets its branch preroll. Takes `caps`; gives a reference.
GstAppSrc* OpenSource(GstElement* bin, const char* name, GstCaps* caps, GstClockTime running_time) {
  GstAppSrc* source = GST_APP_SRC(gst_bin_get_by_name_recurse_up(GST_BIN(bin), name));
  LB_CHECK(source != nullptr);
  gst_app_src_set_caps(source, caps);
  gst_caps_unref(caps);
  gst_element_send_event(GST_ELEMENT(source), gst_event_new_gap(running_time, 0));
  return source;
}

}  // namespace

std::string LaunchLine(const Camera& camera) {
  std::string line =
      std::string("( appsrc name=video") + kSourceOptions + VideoPayloader(camera.footage().codec);
  if (const AudioTrack* track = camera.audio()) {
    line += std::string(" appsrc name=audio") + kSourceOptions + AudioPayloader(track->codec);
  }
  return line + " )";
}

std::shared_ptr<GstFeed> GstFeed::Create(GstRTSPMedia* media, const Camera& camera,
                                         const Clock& clock) {
  GstElement* bin = gst_rtsp_media_get_element(media);
  GstObject* pipeline = gst_object_get_parent(GST_OBJECT(bin));
  LB_CHECK(pipeline != nullptr);

  // Running time is the camera's own: without a start time GStreamer leaves the base time alone.
  GstClock* system_clock = gst_system_clock_obtain();
  const int64_t running_us = clock.MonotonicUs() - camera.running_time_zero_us();
  const GstClockTime running_ns = static_cast<GstClockTime>(running_us) * 1000;
  gst_rtsp_media_set_clock(media, system_clock);
  gst_element_set_start_time(GST_ELEMENT(pipeline), GST_CLOCK_TIME_NONE);
  gst_element_set_base_time(GST_ELEMENT(pipeline), gst_clock_get_time(system_clock) - running_ns);
  gst_object_unref(system_clock);

  GstAppSrc* video = OpenSource(bin, "video", VideoCaps(camera.footage()), running_ns);
  GstAppSrc* audio = nullptr;
  if (const AudioTrack* track = camera.audio()) {
    audio = OpenSource(bin, "audio", AudioCaps(*track), running_ns);
  }
  gst_object_unref(pipeline);
  gst_object_unref(bin);
  return std::shared_ptr<GstFeed>(new GstFeed(video, audio));
}

GstFeed::~GstFeed() {
  gst_object_unref(video_);
  if (audio_ != nullptr) gst_object_unref(audio_);
}

bool GstFeed::Push(GstAppSrc* source, const TimedBytes& unit) {
  if (source == nullptr || gst_app_src_get_current_level_bytes(source) > kMaxQueuedBytes) {
    return false;
  }
  GstBuffer* buffer = NewBuffer(unit.bytes);
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(unit.pts_ns);
  GST_BUFFER_DTS(buffer) = static_cast<GstClockTime>(unit.dts_ns);
  if (!unit.sync) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  return gst_app_src_push_buffer(source, buffer) == GST_FLOW_OK;
}

}  // namespace lookback::camera_sim
