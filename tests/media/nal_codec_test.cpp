#include "media/nal_codec.h"

#include <gtest/gtest.h>

#include "media/h265.h"

namespace lookback::media {
namespace {

// A NAL unit of H.265: type, then whether its first slice bit is set.
Bytes H265(uint8_t type, uint8_t first = 0x80, uint8_t layer = 0) {
  return {static_cast<uint8_t>(type << 1), static_cast<uint8_t>(layer << 3 | 1), first};
}

Bytes Unit(const std::vector<Bytes>& nals) {
  Bytes unit;
  ByteWriter out(unit);
  for (const Bytes& nal : nals) {
    out.U32(static_cast<uint32_t>(nal.size()));
    out.Raw(nal);
  }
  return unit;
}

TEST(NalCodec, RolesAreThoseOfTheStandards) {
  const std::pair<uint8_t, NalRole> h264[] = {
      {0, NalRole::kUnusable},  {1, NalRole::kSlice},  {5, NalRole::kSlice},
      {6, NalRole::kOther},     {7, NalRole::kSps},    {8, NalRole::kPps},
      {9, NalRole::kDelimiter}, {14, NalRole::kOther}, {24, NalRole::kUnusable}};
  for (const auto& [type, role] : h264) {
    EXPECT_EQ(RoleOf(Codec::kH264, Bytes{type, 0}), role) << int{type};
  }
  const std::pair<uint8_t, NalRole> h265[] = {{0, NalRole::kSlice},     {21, NalRole::kSlice},
                                              {32, NalRole::kVps},      {33, NalRole::kSps},
                                              {34, NalRole::kPps},      {35, NalRole::kDelimiter},
                                              {39, NalRole::kOther},    {47, NalRole::kOther},
                                              {48, NalRole::kUnusable}, {49, NalRole::kUnusable}};
  for (const auto& [type, role] : h265) {
    EXPECT_EQ(RoleOf(Codec::kH265, H265(type)), role) << int{type};
  }
  EXPECT_EQ(RoleOf(Codec::kH264, {}), NalRole::kUnusable);
  EXPECT_EQ(RoleOf(Codec::kH265, Bytes{0x40}), NalRole::kUnusable);
}

TEST(NalCodec, ParameterSetsOfAnEnhancementLayerAreNotThoseOfTheTrack) {
  EXPECT_EQ(RoleOf(Codec::kH265, H265(33, 0, 1)), NalRole::kOther);
  EXPECT_EQ(RoleOf(Codec::kH265, Bytes{33 << 1 | 1, 1, 0}), NalRole::kOther);
}

TEST(NalCodec, IdrPicturesAreClosedAndCraAndBlaPicturesOpen) {
  const auto sync_of = [](uint8_t type) {
    return SyncOf(Codec::kH265, Unit({H265(35), H265(33), H265(39), H265(type), H265(type, 0)}));
  };
  for (const uint8_t type : {19, 20}) EXPECT_EQ(sync_of(type), Sync::kClosed) << int{type};
  for (const uint8_t type : {16, 17, 18, 21}) EXPECT_EQ(sync_of(type), Sync::kOpen) << int{type};
  // Trailing, TSA, STSA, RADL and RASL pictures.
  for (const uint8_t type : {0, 1, 2, 4, 6, 7, 8, 9, 24}) {
    EXPECT_EQ(sync_of(type), Sync::kNone) << int{type};
  }
  EXPECT_FALSE(InspectH265(Bytes{0, 0, 0, 9, 1}).well_formed);
}

TEST(NalCodec, ASpliceMakesCraPicturesBlaPicturesAndTouchesNothingElse) {
  Bytes sample = Unit({H265(35), H265(33), H265(21, 0xa0), H265(21, 0x40)});
  MarkH265Splice(sample);
  EXPECT_EQ(sample, Unit({H265(35), H265(33), H265(16, 0xa0), H265(16, 0x40)}));
  Bytes idr = Unit({H265(19), H265(1)});
  MarkH265Splice(idr);
  EXPECT_EQ(idr, Unit({H265(19), H265(1)}));
  Bytes cut_short{0, 0, 0, 9, 21 << 1};
  MarkH265Splice(cut_short);
  EXPECT_EQ(cut_short, (Bytes{0, 0, 0, 9, 21 << 1}));
}

TEST(NalCodec, IdsAreReadWhereTheStandardsHaveThem) {
  EXPECT_EQ(ParameterSetId(Codec::kH265, Bytes{0x40, 1, 0x50}), 5u);                  // VPS, u(4).
  EXPECT_EQ(ParameterSetId(Codec::kH265, Bytes{0x44, 1, 0x60}), 2u);                  // PPS, ue(v).
  EXPECT_EQ(ParameterSetId(Codec::kH265, Bytes{0x44, 1, 0x01, 0x04}), std::nullopt);  // 64.
  EXPECT_EQ(ParameterSetId(Codec::kH264, Bytes{0x67, 66, 0, 10, 0x60}), 2u);
  EXPECT_EQ(ParameterSetId(Codec::kH264, Bytes{0x68, 0x80}), 0u);
  EXPECT_EQ(ParameterSetId(Codec::kH264, Bytes{0x65, 0x88}), std::nullopt);
  EXPECT_EQ(ParameterSetId(Codec::kH264, Bytes{}), std::nullopt);
}

TEST(NalCodec, TheFirstSliceOfAPictureIsKnownByItsFirstBit) {
  EXPECT_TRUE(BeginsPicture(Codec::kH264, Bytes{0x65, 0x88}));
  EXPECT_FALSE(BeginsPicture(Codec::kH264, Bytes{0x65, 0x42}));
  EXPECT_TRUE(BeginsPicture(Codec::kH265, H265(19)));
  EXPECT_FALSE(BeginsPicture(Codec::kH265, H265(19, 0x40)));
  EXPECT_FALSE(BeginsPicture(Codec::kH265, Bytes{38, 1}));
}

}  // namespace
}  // namespace lookback::media
