#include "storage/retention_forecast.h"

#include <chrono>
#include <random>

#include "storage/purger.h"
#include "storage/retention.h"
#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

using test::SyntheticRun;

constexpr TimeUs kForecastNow = 1'800'000'000 * kUsPerSecond;
constexpr uint64_t kGb = 1'000'000'000;

index::Policy TargetPolicy(const std::string& scope, uint32_t min_days, uint32_t target_days,
                           uint32_t max_days = 0) {
  index::Policy policy;
  policy.scope = scope;
  policy.version = 1;
  policy.min_days = min_days;
  policy.target_days = target_days;
  policy.max_days = max_days;
  if (min_days > 0) policy.at_floor = index::AtFloor::kStop;
  return policy;
}

index::Policy Thinned(index::Policy policy, uint32_t thin_days) {
  policy.thin_days = thin_days;
  return policy;
}

// Cameras on volumes of equal size, each recording `day_bytes` a day, `days` back.
ForecastInput Site(const std::vector<uint64_t>& day_bytes, size_t volumes, uint64_t volume_bytes,
                   int64_t days) {
  ForecastInput input;
  input.now_us = kForecastNow;
  for (size_t v = 0; v < volumes; ++v) {
    input.volumes.push_back(
        {Uuid::Random(), "/v" + std::to_string(v), {volume_bytes, volume_bytes}});
  }
  for (size_t i = 0; i < day_bytes.size(); ++i) {
    ForecastInput::Stream stream;
    stream.id.camera = *CameraId::Parse("cam-" + std::to_string(i));
    stream.day_bytes.resize(volumes);
    stream.day_bytes[i % volumes] = day_bytes[i];
    stream.sync_share = 0.1;
    for (int64_t hour = days * 24; hour > 0; --hour) {
      RetentionRow row;
      row.start_us = kForecastNow - hour * kUsPerHour;
      row.end_us = row.start_us + kUsPerHour;
      row.bytes = day_bytes[i] / 24;
      row.sync_bytes = row.bytes / 10;
      row.volume = static_cast<uint16_t>(i % volumes);
      stream.rows.push_back(row);
      input.volumes[i % volumes].space.free_bytes -= row.bytes;
    }
    input.streams.push_back(std::move(stream));
  }
  return input;
}

const CameraForecast& Of(const RetentionForecast& forecast, const std::string& camera) {
  for (const CameraForecast& one : forecast.cameras) {
    if (one.camera.text() == camera) return one;
  }
  static const CameraForecast none;
  ADD_FAILURE() << camera << " is not foreseen";
  return none;
}

TEST(RetentionForecast, TellsThePromiseThatBreaksTheDayAndTheBytesThatAreMissing) {
  // 100 GB at 4 GB a day: less than 25 days, of which two are pressure's and relief's hours.
  auto input = Site({1 * kGb, 3 * kGb}, 1, 100 * kGb, 10);
  input.policies = {TargetPolicy("default", 0, 20), TargetPolicy("cam-1", 0, 40)};
  const auto forecast = ForecastRetention(input, {});
  const CameraForecast& worst = forecast.cameras[0];
  EXPECT_EQ(worst.camera.text(), "cam-1");
  EXPECT_EQ(worst.promised_days, 40u);
  EXPECT_NEAR(worst.kept_days, 10, 0.01);
  // 3 * 2x + 1 * x = 98, with 2 % of the disk under pressure.
  EXPECT_NEAR(worst.forecast_days, 28, 28 * 0.05);
  EXPECT_NEAR(Of(forecast, "cam-0").forecast_days, 14, 14 * 0.05);
  // Full after 24.5 days on record, of which 10 are there; then what goes first is cam-0's, of a
  // shorter promise; cam-1 follows.
  EXPECT_NEAR(static_cast<double>(Of(forecast, "cam-0").breaks_us - kForecastNow) / kUsPerDay, 14.5,
              10);
  EXPECT_GT(worst.breaks_us, kForecastNow + 14 * kUsPerDay);
  EXPECT_NEAR(static_cast<double>(forecast.missing_bytes), 12 * 3e9 + 6 * 1e9, 4e9);
  EXPECT_EQ(forecast.sentence.find("cam-1 will reach back 2"), 0u) << forecast.sentence;
  EXPECT_NE(forecast.sentence.find("of the 40 that are promised"), std::string::npos);
}

TEST(RetentionForecast, SaysSoWhereEveryPromiseIsKeptAndWhereNothingIsPromised) {
  auto input = Site({kGb, kGb}, 1, 100 * kGb, 10);
  EXPECT_EQ(ForecastRetention(input, {}).sentence.find("nothing is promised"), 0u);
  input.policies = {TargetPolicy("default", 7, 30, 40)};
  const auto forecast = ForecastRetention(input, {});
  EXPECT_EQ(forecast.sentence.find("every promise is kept"), 0u) << forecast.sentence;
  EXPECT_EQ(forecast.missing_bytes, 0u);
  EXPECT_EQ(forecast.cameras[0].breaks_us, 0);
}

TEST(RetentionForecast, TellsWhenRecordingStopsAtAFloor) {
  auto input = Site({4 * kGb}, 1, 100 * kGb, 10);
  input.policies = {TargetPolicy("default", 40, 0)};
  const auto forecast = ForecastRetention(input, {});
  EXPECT_NEAR(static_cast<double>(forecast.volumes[0].stops_us - kForecastNow) / kUsPerDay, 15, 1);
  EXPECT_EQ(forecast.sentence.find("recording on /v0 stops on 20"), 0u) << forecast.sentence;
  EXPECT_NE(forecast.sentence.find(" UTC, full of what must not be deleted: "), std::string::npos)
      << forecast.sentence;
  // 25 days of the 40 are there by then.
  EXPECT_NEAR(forecast.cameras[0].forecast_days, 25, 1);
  EXPECT_NEAR(static_cast<double>(forecast.missing_bytes), 15 * 4e9, 5e9);
  EXPECT_EQ(forecast.volumes[0].missing_bytes, forecast.missing_bytes);
  EXPECT_EQ(forecast.cameras[0].missing_bytes, forecast.missing_bytes);
  EXPECT_EQ(forecast.sentence.find("every promise is kept"), std::string::npos);
}

TEST(RetentionForecast, WhereNothingIsPromisedNothingBreaksOnAFullDisk) {
  auto input = Site({4 * kGb}, 1, kGb, 0);
  input.policies.clear();
  const auto forecast = ForecastRetention(input, {});
  EXPECT_EQ(forecast.cameras[0].breaks_us, 0);
  EXPECT_EQ(forecast.missing_bytes, 0u);
  EXPECT_EQ(forecast.sentence.find("nothing is promised"), 0u) << forecast.sentence;
}

TEST(RetentionForecast, WithoutAVolumeTheOthersTakeItsCameras) {
  auto input = Site({2 * kGb, 2 * kGb}, 2, 100 * kGb, 40);
  input.policies = {TargetPolicy("default", 0, 30)};
  EXPECT_EQ(ForecastRetention(input, {}).missing_bytes, 0u);
  ForecastQuestion question;
  question.without = 1;
  const auto forecast = ForecastRetention(input, question);
  EXPECT_NEAR(Of(forecast, "cam-0").forecast_days, 24.5, 1.5);
  EXPECT_NEAR(Of(forecast, "cam-1").forecast_days, 24.5, 1.5);
  EXPECT_EQ(Of(forecast, "cam-1").kept_days, 0);
  EXPECT_EQ(Of(forecast, "cam-1").breaks_us, kForecastNow);
  EXPECT_GT(Of(forecast, "cam-0").breaks_us, kForecastNow);
}

TEST(RetentionForecast, AddedCamerasRecordAsTheMeanDoes) {
  auto input = Site({1 * kGb, 3 * kGb}, 1, 100 * kGb, 20);
  input.policies = {TargetPolicy("default", 0, 20)};
  EXPECT_EQ(ForecastRetention(input, {}).missing_bytes, 0u);
  ForecastQuestion question;
  question.add_cameras = 2;
  const auto forecast = ForecastRetention(input, question);
  EXPECT_EQ(forecast.cameras.size(), 4u);
  EXPECT_EQ(Of(forecast, "added-1").day_bytes, 2 * kGb);
  EXPECT_NEAR(Of(forecast, "cam-0").forecast_days, 12.25, 0.7);
  EXPECT_NEAR(Of(forecast, "added-2").forecast_days, 12.25, 0.7);
}

TEST(RetentionForecast, WhatIsThinnedLeavesRoomForTheRest) {
  auto input = Site({10 * kGb}, 1, 100 * kGb, 5);
  input.policies = {TargetPolicy("default", 0, 40)};
  EXPECT_NEAR(ForecastRetention(input, {}).cameras[0].forecast_days, 9.8, 0.5);

  // Two days as they are, and a tenth of each of the others.
  input.policies = {Thinned(TargetPolicy("default", 0, 40), 2)};
  const auto forecast = ForecastRetention(input, {});
  EXPECT_EQ(forecast.cameras[0].breaks_us, 0) << forecast.sentence;
  EXPECT_EQ(forecast.sentence.find("every promise is kept"), 0u) << forecast.sentence;

  // What is on disk already, and was thinned, gains no room again.
  for (RetentionRow& row : input.streams[0].rows) row.thinned = 1;
  input.policies = {Thinned(TargetPolicy("default", 0, 90), 2)};
  const auto later = ForecastRetention(input, {});
  EXPECT_NEAR(later.cameras[0].forecast_days, 77, 3) << later.sentence;
}

// The purge, hour by hour, against what was foreseen thirty days before.
TEST(RetentionForecast, ErrsUnderFivePercentThirtyDaysOn) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<uint64_t> rates;
    for (int i = 0; i < 40; ++i) rates.push_back(kGb + random() % (9 * kGb));
    const auto days = static_cast<int64_t>(5 + random() % 20);
    auto input = Site(rates, 2, 3'000 * kGb, days);
    input.policies = {
        TargetPolicy("default", 5, 30),           TargetPolicy("cam-3", 0, 60),
        TargetPolicy("cam-4", 0, 90, 90),         TargetPolicy("cam-5", 0, 0, 12),
        Thinned(TargetPolicy("cam-6", 0, 60), 4), Thinned(TargetPolicy("cam-7", 0, 25), 20)};
    ForecastQuestion question;
    question.days = 30;
    const auto forecast = ForecastRetention(input, question);

    RetentionInput plan;
    plan.policies = input.policies;
    plan.clock_trusted = plan.confirmed = true;
    plan.budget_bytes = UINT64_MAX;
    MemoryRows rows(rates.size());
    std::vector<Space> space;
    std::vector<uint64_t> hour_bytes(2);
    for (const auto& volume : input.volumes) space.push_back(volume.space);
    for (size_t i = 0; i < rates.size(); ++i) {
      plan.streams.push_back({input.streams[i].id, 0});
      hour_bytes[i % 2] += rates[i] / 24;
      for (const RetentionRow& row : input.streams[i].rows) rows.Add(i, row);
    }
    for (int hour = 0; hour < 30 * 24; ++hour) {
      const TimeUs start_us = kForecastNow + hour * kUsPerHour;
      for (size_t i = 0; i < rates.size(); ++i) {
        const auto volume = static_cast<uint16_t>(i % 2);
        const uint64_t bytes = rates[i] / 24;
        rows.Add(i, {start_us, start_us + kUsPerHour, bytes, 0, 0, volume,
                     static_cast<uint32_t>(bytes / 10)});
        space[volume].free_bytes -= rates[i] / 24;
      }
      plan.now_us = start_us + kUsPerHour;
      plan.volumes.clear();
      for (size_t v = 0; v < 2; ++v)
        plan.volumes.push_back(VolumeLimits("", space[v], hour_bytes[v]));
      const RetentionPlan planned = PlanRetention(plan, rows);
      for (const Victim& victim : planned.victims) {
        rows.Remove(victim.stream, victim.row.start_us);
        space[victim.row.volume].free_bytes += victim.row.bytes;
      }
      for (const ::lookback::storage::Thinning& thinning : planned.thinnings) {
        rows.Thin(thinning.stream, thinning.row.start_us);
        space[thinning.row.volume].free_bytes += thinning.gain();
      }
    }
    for (size_t i = 0; i < rates.size(); ++i) {
      std::vector<RetentionRow> oldest;
      rows.Read(i, 0, 1, oldest);
      ASSERT_EQ(oldest.size(), 1u);
      const double kept = static_cast<double>(plan.now_us - oldest[0].start_us) / kUsPerDay;
      EXPECT_NEAR(Of(forecast, input.streams[i].id.camera.text()).forecast_days, kept, kept * 0.05);
    }
  }
}

TEST(RetentionForecast, FiveHundredCamerasOverNinetyDaysAreForeseenInSeconds) {
  const auto input = Site(std::vector<uint64_t>(500, 40 * kGb), 4, 100'000 * kGb, 5);
  ForecastQuestion question;
  question.days = 90;
  const auto start = std::chrono::steady_clock::now();
  const auto forecast = ForecastRetention(input, question);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("500 cameras over 90 days: %.2f s\n", took.count());
  EXPECT_EQ(forecast.cameras.size(), 500u);
  EXPECT_NEAR(forecast.cameras[0].forecast_days, 19.6, 1);  // Disks turned over, four times.
  EXPECT_LT(took.count(), 30);
}

class ForecastOfStore : public StoreFixture {};

TEST_F(ForecastOfStore, BeginsWithWhatCatalogAndVolumesSay) {
  ASSERT_OK(Open());
  uint64_t bytes = 0;
  for (int hour = 50; hour > 0; --hour) {
    SyntheticRun run(gate_, clock_.NowUs() - hour * kUsPerHour);
    RecordAndSeal(run, 10 * kUsPerSecond);
  }
  for (const FootageSegment& segment : Segments(gate_)) bytes += segment.row.bytes;
  const auto input = ReadForecast(*store_, clock_);
  ASSERT_OK(input);
  ASSERT_EQ(input->streams.size(), 1u);
  const ForecastInput::Stream& stream = input->streams[0];
  EXPECT_EQ(stream.rows.front().start_us, clock_.NowUs() - 50 * kUsPerHour);
  uint64_t sampled = 0;
  for (const RetentionRow& row : stream.rows) sampled += row.bytes;
  EXPECT_NEAR(static_cast<double>(sampled), static_cast<double>(bytes), 0.01 * bytes);
  EXPECT_NEAR(static_cast<double>(stream.day_bytes.at(0)), bytes * 24 / 50.0, 0.05 * bytes);
  ASSERT_EQ(input->volumes.size(), 1u);
  EXPECT_EQ(input->volumes[0].root, options_.volumes[0]);
  const auto forecast = ForecastRetention(*input, {});
  EXPECT_EQ(forecast.cameras.at(0).camera, gate_.camera);
  EXPECT_NEAR(forecast.cameras[0].kept_days, 50 / 24.0, 0.01);

  uint64_t sync_bytes = 0;
  for (const FootageSegment& segment : Segments(gate_)) sync_bytes += segment.row.sync_bytes;
  ASSERT_GT(sync_bytes, 0u);
  EXPECT_NEAR(stream.sync_share, static_cast<double>(sync_bytes) / static_cast<double>(bytes),
              0.01);

  // A camera that is not to be recorded any more has no rate.
  index::Camera gate;
  gate.id = gate_.camera;
  gate.enabled = false;
  ASSERT_OK(store_->journal().Commit({gate}));
  EXPECT_EQ(ReadForecast(*store_, clock_)->streams[0].day_bytes[0], 0u);
}

// Its first segment is sealed, the next one is being written.
TEST_F(ForecastOfStore, TheRateOfAYoungCameraIsThatOfWhatIsSealed) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, clock_.NowUs() - 70 * kUsPerSecond);
  RecordAndSeal(run, 10 * kUsPerSecond);
  const auto bytes = static_cast<double>(Segments(gate_).at(0).row.bytes);
  const auto input = ReadForecast(*store_, clock_);
  ASSERT_OK(input);
  const auto day_bytes = static_cast<double>(input->streams.at(0).day_bytes.at(0));
  EXPECT_NEAR(day_bytes, bytes * 8'640, 0.05 * bytes * 8'640);
}

}  // namespace
}  // namespace lookback::storage
