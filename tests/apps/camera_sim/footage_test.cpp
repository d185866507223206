#include "apps/camera_sim/footage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "apps/camera_sim/nal.h"
#include "apps/camera_sim/sei.h"

namespace lookback::camera_sim {
namespace {

std::string Path(const std::string& name) { return std::string(FOOTAGE_DIR) + "/" + name; }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<int> NalTypes(ByteSpan sample) {
  std::vector<int> types;
  const auto nals = SplitLengthPrefixed(sample, kNalLengthBytes);
  if (!nals) return types;
  for (const ByteSpan nal : *nals) types.push_back(NalTypeOf(nal));
  return types;
}

TEST(Footage, StreetClipIsWhatItsReadmeSays) {
  const auto footage = LoadFootage(Path("street.mp4"));
  ASSERT_TRUE(footage) << footage.message();
  EXPECT_EQ(footage->units.size(), 750u);
  EXPECT_EQ(footage->duration_90k, 30 * kVideoClockRate);
  EXPECT_EQ(footage->reorder_90k, 0);
  for (size_t i = 0; i < footage->units.size(); ++i) {
    EXPECT_EQ(footage->units[i].sync, i % 50 == 0) << i;
    EXPECT_EQ(footage->units[i].dts_90k, static_cast<int64_t>(i) * 3'600);
    EXPECT_EQ(footage->units[i].pts_90k, footage->units[i].dts_90k);
  }
}

TEST(Footage, BFramesKeepTheirOrderOfDecodingAndOfShowing) {
  const auto footage = LoadFootage(Path("street-bframes.mp4"));
  ASSERT_TRUE(footage) << footage.message();
  ASSERT_EQ(footage->units.size(), 250u);
  EXPECT_EQ(footage->duration_90k, 10 * kVideoClockRate);
  EXPECT_GT(footage->reorder_90k, 0);
  std::vector<int64_t> shown;
  for (const AccessUnit& unit : footage->units) shown.push_back(unit.pts_90k);
  EXPECT_FALSE(std::is_sorted(shown.begin(), shown.end()));
  std::sort(shown.begin(), shown.end());
  for (size_t i = 1; i < shown.size(); ++i) EXPECT_EQ(shown[i] - shown[i - 1], 3'600);
}

TEST(Footage, DecoderConfigIsTheFilesOwn) {
  const auto footage = LoadFootage(Path("street.mp4"));
  ASSERT_TRUE(footage);
  const std::string file = ReadFile(Path("street.mp4"));
  const size_t box = file.find("avcC");
  ASSERT_NE(box, std::string::npos);
  const std::string own(AsText(footage->decoder_config));
  EXPECT_EQ(HexEncode(AsBytes(file.substr(box + 4, own.size()))), HexEncode(AsBytes(own)));
}

TEST(Footage, ParameterSetsComeFirstAndTheMarkStandsBeforeTheFirstSlice) {
  const auto footage = LoadFootage(Path("street.mp4"));
  ASSERT_TRUE(footage);
  const Bytes mark = BuildMarkNal({"cam1", 1, 2});
  // The encoder left an SEI of its own in the first access unit.
  EXPECT_EQ(NalTypes(AssembleAccessUnit(footage->units[0], footage->parameter_sets, mark)),
            (std::vector<int>{kNalSps, kNalPps, kNalSei, kNalSei, kNalIdrSlice}));
  EXPECT_EQ(NalTypes(AssembleAccessUnit(footage->units[1], {}, mark)),
            (std::vector<int>{kNalSei, kNalSlice}));

  AccessUnit delimited = footage->units[50];
  delimited.delimiter = true;
  EXPECT_EQ(NalTypes(AssembleAccessUnit(delimited, footage->parameter_sets, mark)),
            (std::vector<int>{kNalAccessUnitDelimiter, kNalSps, kNalPps, kNalSei, kNalIdrSlice}));
}

TEST(Footage, SlicesAreTheFilesOwnBytes) {
  const auto footage = LoadFootage(Path("street-bframes.mp4"));
  ASSERT_TRUE(footage);
  const std::string file = ReadFile(Path("street-bframes.mp4"));
  for (const size_t i : {size_t{0}, size_t{17}, footage->units.size() - 1}) {
    EXPECT_NE(file.find(AsText(footage->units[i].nals)), std::string::npos) << i;
  }
}

TEST(Footage, CamerasOfOneClipStartAtDifferentSyncSamples) {
  const auto footage = LoadFootage(Path("street.mp4"));
  ASSERT_TRUE(footage);
  EXPECT_EQ(footage->SyncUnitAt(0), 0u);
  EXPECT_EQ(footage->SyncUnitAt(0.25), 200u);
  EXPECT_EQ(footage->SyncUnitAt(0.999), 0u);
}

TEST(Footage, WhatIsNoFootageIsNamed) {
  const auto missing = LoadFootage(Path("no-such-file.mp4"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_NE(missing.message().find("no-such-file.mp4"), std::string::npos);

  const auto text = LoadFootage(Path("README.md"));
  ASSERT_FALSE(text);
  EXPECT_NE(text.message().find("README.md"), std::string::npos);
}

}  // namespace
}  // namespace lookback::camera_sim
