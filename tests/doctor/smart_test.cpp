#include "doctor/smart.h"

#include <gtest/gtest.h>

namespace lookback::doctor {
namespace {

// As smartctl 7.3 prints it, shortened.
constexpr const char* kAta = R"({
  "smartctl": {"version": [7, 3], "exit_status": 0},
  "model_name": "WDC WD40PURX", "smart_status": {"passed": true},
  "ata_smart_attributes": {"table": [
    {"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"value": 8, "string": "8"}},
    {"id": 9, "name": "Power_On_Hours", "raw": {"value": 31000, "string": "31000"}},
    {"id": 197, "name": "Current_Pending_Sector", "raw": {"value": 2, "string": "2"}},
    {"id": 198, "name": "Offline_Uncorrectable", "raw": {"value": 1, "string": "1"}}]}})";
constexpr const char* kNvme = R"({
  "model_name": "SSD", "smart_status": {"passed": false},
  "nvme_smart_health_information_log": {"critical_warning": 4, "percentage_used": 93, "media_errors": 7}})";

TEST(Smart, ReadsWhatAnAtaDiskSays) {
  const auto health = ParseSmart(kAta);
  ASSERT_TRUE(health);
  EXPECT_EQ(health->model, "WDC WD40PURX");
  EXPECT_EQ(health->passed, true);
  EXPECT_EQ(health->reallocated, 8u);
  EXPECT_EQ(health->pending, 2u);
  EXPECT_EQ(health->uncorrectable, 1u);
  EXPECT_FALSE(health->media_errors);
}

TEST(Smart, ReadsWhatAnNvmeDiskSays) {
  const auto health = ParseSmart(kNvme);
  ASSERT_TRUE(health);
  EXPECT_EQ(health->passed, false);
  EXPECT_EQ(health->media_errors, 7u);
  EXPECT_EQ(health->used_percent, 93u);
}

TEST(Smart, ADiskThatTellsNothingIsNotKnownAndSaysWhy) {
  const auto health =
      ParseSmart(R"({"smartctl": {"messages": [{"string": "Unable to detect device type"}]}})");
  ASSERT_TRUE(health);
  EXPECT_FALSE(health->known());
  EXPECT_EQ(health->message, "Unable to detect device type");
}

TEST(Smart, WhatIsOfAnotherKindIsNotKnown) {
  for (const char* odd :
       {R"({"smart_status": true})", R"({"smart_status": {"passed": 1}})",
        R"({"ata_smart_attributes": {"table": {"id": 5}}})",
        R"({"ata_smart_attributes": {"table": [5, null, {"id": "5"}, []]}})",
        R"({"ata_smart_attributes": {"table": [{"id": 5, "raw": {"value": -1}}]}})",
        R"({"smartctl": {"messages": [{}]}, "model_name": 7})"}) {
    const auto health = ParseSmart(odd);
    ASSERT_TRUE(health) << odd;
    EXPECT_FALSE(health->known()) << odd;
  }
  for (const char* none : {"", "[]", "7", "{", "smartctl 7.3", "\xff\xfe"}) {
    EXPECT_FALSE(ParseSmart(none)) << none;
  }
  EXPECT_FALSE(ParseSmart(std::string(kMaxSmartBytes + 1, ' ') + kAta));
  EXPECT_FALSE(ParseSmart(std::string(100'000, '[')));
}

}  // namespace
}  // namespace lookback::doctor
