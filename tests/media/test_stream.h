// tests/media/test_stream.h: the streams of tests/media/data as samples, as a recorder gives them.
//
// Threads:   one.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "media/fragmenter.h"
#include "media/h264.h"
#include "media/nal.h"
#include "tests/support/shell.h"

namespace lookback::test {

inline constexpr int64_t kTicksAPicture = 3'600;

struct TestStream {
  media::TrackConfig track;
  std::vector<media::Sample> samples;  // In decoding order.
  std::string path;                    // Of the annex B file.
};

inline TestStream LoadTestStream(const std::string& name) {
  TestStream stream;
  stream.path = std::string(LOOKBACK_TEST_DATA) + "/" + name + ".h264";
  const Bytes bytes = ReadAll(stream.path);
  std::vector<Bytes> sps, pps;
  bool has_slice = true;
  media::AnnexBReader reader(bytes);
  ByteSpan nal;
  while (reader.Next(nal)) {
    const media::H264Nal type = media::H264NalType(nal);
    const bool slice = type == media::H264Nal::kSlice || type == media::H264Nal::kIdrSlice;
    // first_mb_in_slice 0 is coded as a single set bit.
    const bool first_slice = slice && (nal[1] & 0x80) != 0;
    if (has_slice && (!slice || first_slice)) {
      stream.samples.emplace_back();
      has_slice = false;
    }
    if (type == media::H264Nal::kSps && sps.empty()) sps.emplace_back(nal.begin(), nal.end());
    if (type == media::H264Nal::kPps && pps.empty()) pps.emplace_back(nal.begin(), nal.end());
    ByteWriter out(stream.samples.back().data);
    out.U32(static_cast<uint32_t>(nal.size()));
    out.Raw(nal);
    has_slice = has_slice || slice;
  }
  std::ifstream order(std::string(LOOKBACK_TEST_DATA) + "/" + name + ".order");
  for (media::Sample& sample : stream.samples) {
    EXPECT_TRUE(order >> sample.pts) << name;
    sample.pts *= kTicksAPicture;
    sample.sync = media::InspectH264(sample.data).sync();
  }
  stream.track = media::MakeH264Track(sps, pps).value();
  return stream;
}

// UTC of a media time in these tests.
inline TimeUs TestUtc(int64_t ticks) { return 1'777'932'000 * kUsPerSecond + ticks * 100 / 9; }

inline std::vector<media::Fragment> FragmentAll(const std::vector<media::TrackConfig>& tracks,
                                                std::vector<media::Sample> samples) {
  media::Fragmenter fragmenter(tracks, TestUtc);
  std::vector<media::Fragment> fragments;
  for (media::Sample& sample : samples) {
    auto fragment = fragmenter.Push(std::move(sample));
    EXPECT_TRUE(fragment) << fragment.message();
    if (fragment && *fragment) fragments.push_back(std::move(**fragment));
  }
  while (auto fragment = fragmenter.Flush()) fragments.push_back(std::move(*fragment));
  EXPECT_EQ(fragmenter.held_bytes(), 0u);
  return fragments;
}

inline Bytes Join(const std::vector<Bytes>& parts) {
  Bytes joined;
  for (const Bytes& part : parts) joined.insert(joined.end(), part.begin(), part.end());
  return joined;
}

}  // namespace lookback::test
