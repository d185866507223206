// recorder/probe.h: what a camera offers, measured over some seconds, and which of its settings are
// bad for recording. Nothing is recorded.
//
// It runs the session that the recorder would, and looks at the samples instead of keeping them, so
// what works here works there. A bitrate is judged by its cost alone: that it is low says nothing
// of the scene, and whether anything moves is not to be read from it.
//
// Invariant: an answer comes within kMaxSetupUs and the asked time.
// Threads:   ProbeCamera blocks its thread and runs a loop of its own on it.
// Errors:    kInvalid for a source that can never work; kDenied when the camera refuses the
//            credentials; kUnavailable for all else that keeps pictures from coming, in the
//            recorder's words. What goes wrong after the first picture is a finding.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recorder/recorder.h"

namespace lookback::recorder {

struct ProbedVideo {
  std::string codec;    // RFC 6381: "avc1.4d401f"
  std::string profile;  // "Main"; empty where it has no name here.
  uint16_t width = 0;
  uint16_t height = 0;
  uint64_t pictures = 0;
  double frames_per_second = 0;           // By the pictures' timestamps.
  double declared_frames_per_second = 0;  // 0: none declared.
  double uneven = 0;  // Share of the intervals that are more than half off the usual one.
  double bits_per_second = 0;
  uint64_t sync_samples = 0;
  int64_t longest_gop_us = 0;  // At least so long, when no sync sample came since.
  uint32_t longest_gop_pictures = 0;
  bool reordered = false;         // Has B-frames.
  uint32_t leading_pictures = 0;  // The most that follow an open sync sample and show before it.
};

struct ProbedAudio {
  std::string codec;
  uint32_t sample_rate = 0;
  uint16_t channels = 0;
  double bits_per_second = 0;
};

// Something that the camera offers and the recorder leaves.
struct LeftMedia {
  std::string kind;  // "audio", "application"
  std::string what;  // "PCMU/16000"
  bool unsupported_audio = false;
};

struct ProbeFinding {
  std::string kind;      // "long-gop"; docs/cli.md lists them.
  std::string sentence;  // What, how much, and what to set.
};

struct ProbeReport {
  std::string url;        // The one that answered, after redirects.
  std::string transport;  // "tcp", "udp", "tls"
  int64_t measured_us = 0;
  uint64_t lost_packets = 0;
  uint32_t time_jumps = 0;  // The pictures' timestamps jumped; `video` is of what came after.
  ProbedVideo video;
  std::optional<ProbedAudio> audio;
  std::vector<LeftMedia> left;
  std::optional<int64_t> camera_offset_us;  // Its clock less ours, by its sender reports.
  std::string ended;                        // Why it ended before its time; empty: it did not.
  std::vector<ProbeFinding> findings;
};

struct ProbeOptions {
  static constexpr int64_t kMaxSetupUs = 40 * kUsPerSecond;
  static constexpr int64_t kMaxMeasureUs = 120 * kUsPerSecond;

  CameraSource source;  // Its id is not used; sound is always asked for.
  int64_t measure_us = 10 * kUsPerSecond;
  int64_t tick_us = 50 * kUsPerMs;
};

Result<ProbeReport> ProbeCamera(const ProbeOptions& options, Clock& clock);

// What the report says that is bad for recording, in the order of weight.
std::vector<ProbeFinding> JudgeProbe(const ProbeReport& report);

}  // namespace lookback::recorder
