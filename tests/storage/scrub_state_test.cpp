// The scrubber's state comes back as it was written; a byte of it that is another one is noticed.
#include "storage/scrub_state.h"

#include <gtest/gtest.h>

#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

using test::kEvening;

ScrubState Example() {
  ScrubState state;
  state.volumes.reserve(2);
  state.damage.reserve(2);
  VolumeScrub& volume = state.volumes.emplace_back();
  volume.volume = Uuid::Parse("00112233-4455-6677-8899-aabbccddeeff").value();
  volume.cursor = index::SegmentKey{test::MakeStream("gate"), kEvening, 7, 12};
  volume.origin = index::SegmentKey{test::MakeStream("yard", Stream::kSub), kEvening + 1, 6, 0};
  volume.wrapped = true;
  volume.pass = {kEvening + kUsPerDay, 0, 3, 60'000'000, 1};
  volume.last = {kEvening, kEvening + kUsPerHour, 1'440, 28'800'000'000, 0};
  volume.segments = 1'500;
  volume.bytes = 30'000'000'000;
  state.volumes.emplace_back().volume = Uuid::Random();
  Damage& fragment = state.damage.emplace_back();
  fragment.segment = *volume.cursor;
  fragment.run = Uuid::Random();
  fragment.fragment = 17;
  fragment.range = {kEvening + kUsPerSecond, kEvening + 2 * kUsPerSecond};
  fragment.what = "its checksum does not agree";
  Damage& whole = state.damage.emplace_back(state.damage.front());
  whole.fragment = kWholeSegment;
  whole.cause = index::GapCause::kMissing;
  return state;
}

TEST(ScrubState, ComesBackAsItWasWritten) {
  for (const ScrubState& state : {Example(), ScrubState()}) {
    const auto again = ParseScrubState(EncodeScrubState(state));
    ASSERT_TRUE(again) << again.message();
    EXPECT_EQ(*again, state);
  }
}

TEST(ScrubState, EveryFlippedBitIsNoticed) {
  const Bytes good = EncodeScrubState(Example());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(ParseScrubState(bad).code(), Code::kCorrupt) << "bit " << bit;
  }
}

TEST(ScrubState, ATornFileIsNoticed) {
  const Bytes good = EncodeScrubState(Example());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(ParseScrubState(ByteSpan(good).first(length)).code(), Code::kCorrupt) << length;
  }
}

TEST(ScrubState, WhatCannotBeIsRefusedThoughItsDigestAgrees) {
  const auto refused = [](const auto& change) {
    ScrubState state = Example();
    change(state);
    return ParseScrubState(EncodeScrubState(state)).code() == Code::kCorrupt;
  };
  EXPECT_TRUE(
      refused([](ScrubState& s) { s.damage[0].range.end_us = s.damage[0].range.start_us; }));
  EXPECT_TRUE(refused([](ScrubState& s) { s.damage[0].range.end_us = kTimeMaxUs; }));
  EXPECT_TRUE(refused([](ScrubState& s) { s.damage[0].cause = index::GapCause::kNetwork; }));
  EXPECT_TRUE(refused([](ScrubState& s) { s.damage[0].segment.stream.camera = CameraId(); }));
  EXPECT_TRUE(refused([](ScrubState& s) { s.volumes[0].volume = Uuid(); }));
  EXPECT_TRUE(refused([](ScrubState& s) { s.volumes[0].pass.began_us = -1; }));
}

}  // namespace
}  // namespace lookback::storage
