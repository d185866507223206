#include "api/alarm_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lookback::api {
namespace {

using index::AlarmEvent;
using What = AlarmWatch::What;

constexpr TimeUs kStart = 1'777'932'000 * kUsPerSecond;

class AlarmWatchTest : public testing::Test {
 protected:
  // Rounds of five seconds during which the camera is down, or is not.
  void Down(int seconds) { Rounds(seconds, {{"camera-down", gate_, "gate", "no answer", 0}}); }
  void Up(int seconds) { Rounds(seconds, {}); }
  void Rounds(int seconds, const std::vector<Condition>& conditions) {
    for (int i = 0; i < seconds; i += 5) {
      watch_.Look(conditions);
      clock_.Advance(5 * kUsPerSecond);
    }
  }
  std::vector<index::Alarm> Recorded() const {
    std::vector<index::Alarm> alarms;
    for (const index::Record& record : ledger_) alarms.push_back(std::get<index::Alarm>(record));
    return alarms;
  }

  const CameraId gate_ = *CameraId::Parse("gate");
  ManualClock clock_{kStart};
  bool disk_full_ = false;
  std::vector<index::Record> ledger_;
  std::vector<What> told_;
  AlarmWatch watch_{[this](std::vector<index::Record> records) -> Status {
                      if (disk_full_) return Fail(Code::kDiskFull, "no space");
                      for (auto& record : records) ledger_.push_back(std::move(record));
                      return Ok();
                    },
                    [this](What what, const AlarmEvent&) { told_.push_back(what); }, clock_};
};

TEST_F(AlarmWatchTest, AnAlarmBeginsAndEndsOnceWithTheTimesOfItsCondition) {
  Down(25);
  EXPECT_TRUE(watch_.Standing().empty());
  Down(15);
  ASSERT_EQ(watch_.Standing().size(), 1u);
  Down(600);
  Up(20);
  EXPECT_EQ(watch_.Standing().size(), 1u);
  Up(20);
  EXPECT_TRUE(watch_.Standing().empty());
  EXPECT_THAT(told_, testing::ElementsAre(What::kBegan, What::kEnded));
  const auto recorded = Recorded();
  ASSERT_EQ(recorded.size(), 2u);
  EXPECT_EQ(recorded[0].id, recorded[1].id);
  EXPECT_EQ(recorded[0].since_us, kStart);
  EXPECT_EQ(recorded[0].until_us, 0);
  EXPECT_EQ(recorded[1].until_us, kStart + 640 * kUsPerSecond);
  EXPECT_EQ(recorded[0].severity, index::Severity::kCritical);
}

TEST_F(AlarmWatchTest, ShortOutagesAndShortRecoveriesMakeNoEvents) {
  for (int i = 0; i < 10; ++i) {
    Down(25);
    Up(5);
  }
  EXPECT_TRUE(told_.empty());
  Down(60);
  for (int i = 0; i < 10; ++i) {
    Up(25);
    Down(5);
  }
  EXPECT_THAT(told_, testing::ElementsAre(What::kBegan));
}

TEST_F(AlarmWatchTest, OneThatComesAndGoesAllDayMakesBoundedlyManyEvents) {
  for (int i = 0; i < 24 * 60; i += 2) {
    Down(60);
    Up(60);
  }
  const auto begun = static_cast<size_t>(std::count(told_.begin(), told_.end(), What::kBegan));
  EXPECT_EQ(begun, AlarmWatch::kManyADay);  // The last of them still stands.
  EXPECT_EQ(watch_.Standing().size(), 1u);
  Up(3'700);
  EXPECT_TRUE(watch_.Standing().empty());
}

TEST_F(AlarmWatchTest, AnAlarmOfBeforeTheStartGoesOnOrEnds) {
  AlarmEvent gate, yard;
  gate.alarm = {
      Uuid::Random(), "camera-down", index::Severity::kCritical, gate_, "gate", 1, 0, "x"};
  yard.alarm = gate.alarm;
  yard.alarm.id = Uuid::Random();
  yard.alarm.subject = "yard";
  watch_.Restore({gate, yard});
  Down(60);
  ASSERT_EQ(watch_.Standing().size(), 1u);
  EXPECT_EQ(watch_.Standing()[0].alarm.id, gate.alarm.id);
  EXPECT_EQ(watch_.Standing()[0].alarm.since_us, 1);
  ASSERT_EQ(Recorded().size(), 1u);
  EXPECT_EQ(Recorded()[0].id, yard.alarm.id);
  EXPECT_EQ(Recorded()[0].until_us, kStart);
}

TEST_F(AlarmWatchTest, WhatCannotGoOnRecordGoesLaterInOrder) {
  disk_full_ = true;
  Down(60);
  Up(60);
  EXPECT_EQ(told_.size(), 2u);  // People are told all the same.
  EXPECT_TRUE(ledger_.empty());
  disk_full_ = false;
  Up(5);
  ASSERT_EQ(Recorded().size(), 2u);
  EXPECT_EQ(Recorded()[0].until_us, 0);
  EXPECT_GT(Recorded()[1].until_us, 0);
  Up(60);
  EXPECT_EQ(ledger_.size(), 2u);
}

TEST_F(AlarmWatchTest, UnacknowledgedOnesComeFirst) {
  const std::vector<Condition> conditions = {{"camera-down", gate_, "gate", "", 0},
                                             {"camera-standing-timestamps", gate_, "gate", "", 0},
                                             {"volume-full", {}, "/v0", "", 0}};
  Rounds(60, conditions);
  auto standing = watch_.Standing();
  ASSERT_EQ(standing.size(), 3u);
  EXPECT_EQ(standing[0].alarm.kind, "volume-full");  // Critical, and the older one.
  EXPECT_EQ(standing[1].alarm.kind, "camera-down");
  AlarmEvent seen = standing[0];
  seen.acknowledged = {seen.alarm.id, 1, "li", ""};
  watch_.Acknowledged(seen);
  EXPECT_EQ(watch_.Standing()[2].alarm.kind, "volume-full");
  EXPECT_EQ(told_.back(), What::kAcknowledged);
}

// The table's times, for a camera whose figures over time say something.
class CameraHealthTest : public testing::Test {
 protected:
  CameraHealth::Findings Record(double megabits, int64_t seconds) {
    CameraHealth::Findings findings;
    for (int64_t i = 0; i < seconds; i += 5) {
      now_us_ += 5 * kUsPerSecond;
      status_.bytes += static_cast<uint64_t>(megabits * 1e6 / 8 * 5);
      findings = health_.Look({*CameraId::Parse("gate")}, status_, now_us_);
    }
    return findings;
  }
  CameraHealthTest() { status_.state = recorder::CameraState::kRecording; }

  int64_t now_us_ = kUsPerSecond;
  recorder::CameraStatus status_;
  CameraHealth health_;
};

TEST_F(CameraHealthTest, ABitrateIsJudgedByItsOwnLongMeanOnly) {
  EXPECT_FALSE(Record(4, 1'800).bitrate);
  EXPECT_FALSE(Record(40, 60).bitrate);  // Nothing is judged in the first hour.
  EXPECT_FALSE(Record(4, 7'200).bitrate);
  EXPECT_FALSE(Record(9, 300).bitrate);
  const auto high = Record(20, 300).bitrate;
  ASSERT_TRUE(high);
  EXPECT_THAT(*high, testing::HasSubstr("gate sends"));
  for (const char* claim : {"motion", "moves", "activity", "happens", "scene"}) {
    EXPECT_THAT(*high, testing::Not(testing::HasSubstr(claim)));
  }
  EXPECT_FALSE(Record(4, 600).bitrate);
  EXPECT_TRUE(Record(1, 300).bitrate);
}

TEST_F(CameraHealthTest, AReconnectIsNoChangeOfBitrate) {
  EXPECT_FALSE(Record(4, 7'200).bitrate);
  status_.state = recorder::CameraState::kWaiting;
  EXPECT_FALSE(Record(0, 3'600).bitrate);
  status_.state = recorder::CameraState::kRecording;
  EXPECT_FALSE(Record(4, 600).bitrate);
  status_.bytes = 0;  // Its settings were changed: it counts anew.
  EXPECT_FALSE(Record(4, 600).bitrate);
}

TEST_F(CameraHealthTest, LossAndDamageHaveTheirThresholds) {
  status_.lost_share = 0.0099;
  status_.damaged_share = 0.0199;
  EXPECT_FALSE(Record(4, 5).degraded);
  status_.lost_share = 0.01;
  EXPECT_EQ(Record(4, 5).degraded, "gate lost 1.0 % of its packets in the last minute");
  status_.lost_share = 0;
  status_.damaged_share = 0.02;
  EXPECT_TRUE(Record(4, 5).degraded);
}

}  // namespace
}  // namespace lookback::api
