// What the checks make of facts that no table tells, and that every check is described.
#include "doctor/checks.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "doctor/libraries.h"
#include "tests/doctor/fake_machine.h"

namespace lookback::doctor {
namespace {

using test::FakeMachine;
using test::Told;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Checks : public ::testing::Test {
 protected:
  std::vector<std::string> TheyTell(bool notes = false) const {
    return Told(Examine(facts_), notes);
  }
  Place& volume() { return facts_.places[1]; }
  Place& data() { return facts_.places[0]; }
  CameraFacts& AddCamera(const std::string& id) {
    CameraFacts camera;
    camera.id = id;
    camera.recording = true;
    camera.recording_us = kUsPerHour;
    camera.gop_us = 2 * kUsPerSecond;
    facts_.cameras.push_back(camera);
    return facts_.cameras.back();
  }

  FakeMachine machine_;
  Facts facts_ = machine_.Gather();
};

TEST_F(Checks, AClockWithoutATimeServer) {
  facts_.clock_synchronised = false;
  EXPECT_THAT(TheyTell(), ElementsAre("warning clock"));
  EXPECT_THAT(Examine(facts_).findings[0].cure, HasSubstr("chrony"));
}

TEST_F(Checks, SpaceOfAVolumeIsJudgedFarBelowWhatRetentionKeepsFree) {
  volume().space = {1'000'000, 10'001, 0, 0, false};
  EXPECT_THAT(TheyTell(), IsEmpty());
  volume().space.free_bytes = 9'999;
  EXPECT_THAT(TheyTell(), ElementsAre("error space /srv/footage1"));
}

TEST_F(Checks, SpaceOfTheDataDirectory) {
  data().space = {100 * test::kGigabyte, 4 * test::kGigabyte, 0, 0, false};
  EXPECT_THAT(TheyTell(), ElementsAre("warning space /var/lib/lookback"));
  data().space.free_bytes = test::kGigabyte / 2;
  EXPECT_THAT(TheyTell(), ElementsAre("error space /var/lib/lookback"));
  data().space.free_bytes = 6 * test::kGigabyte;
  EXPECT_THAT(TheyTell(), IsEmpty());
}

TEST_F(Checks, ADataDirectoryThatIsGoneFromUnderTheServer) {
  data().has_identity = false;
  EXPECT_THAT(TheyTell(), ElementsAre("error data-directory /var/lib/lookback"));
  facts_.server = false;  // Before the first start there is none.
  EXPECT_EQ(Examine(facts_).StateOf("data-directory"), Severity::kOk);
}

TEST_F(Checks, Inodes) {
  volume().space.inodes = 1'000;
  volume().space.free_inodes = 49;
  EXPECT_THAT(TheyTell(), ElementsAre("warning inodes /srv/footage1"));
  volume().space.free_inodes = 3;
  EXPECT_THAT(TheyTell(), ElementsAre("error inodes /srv/footage1"));
  volume().space.inodes = 0;  // As btrfs says.
  EXPECT_THAT(TheyTell(), IsEmpty());
}

TEST_F(Checks, Promises) {
  facts_.promises = {facts_.now_us + 13 * kUsPerDay, 0, 0, "gate breaks"};
  EXPECT_THAT(TheyTell(), ElementsAre("warning promises"));
  facts_.promises->breaks_us = facts_.now_us + 15 * kUsPerDay;
  EXPECT_THAT(TheyTell(true), ElementsAre("note promises"));
  facts_.promises->breaks_us = 0;
  EXPECT_THAT(TheyTell(true), IsEmpty());
  facts_.promises->stops_us = facts_.now_us + 6 * kUsPerDay;
  EXPECT_THAT(TheyTell(), ElementsAre("error promises"));
  facts_.promises->stops_us = facts_.now_us + 8 * kUsPerDay;
  EXPECT_THAT(TheyTell(true), ElementsAre("note promises"));
}

TEST_F(Checks, APromiseOfWhichNothingIsKnownIsNotWell) {
  facts_.promises.reset();
  EXPECT_THAT(TheyTell(), ElementsAre("unknown promises"));
  facts_.promises = {0, 0, 3, "nothing can be foreseen yet"};
  EXPECT_THAT(TheyTell(), ElementsAre("unknown promises"));
}

TEST_F(Checks, BackupsThatStopped) {
  facts_.backup.at_us = facts_.now_us - 3 * kUsPerDay + 1;
  EXPECT_THAT(TheyTell(true), IsEmpty());
  facts_.backup.at_us = facts_.now_us - 9 * kUsPerDay;
  EXPECT_THAT(TheyTell(), ElementsAre("warning backup"));
  EXPECT_THAT(Examine(facts_).findings[0].sentence, HasSubstr("is 9 days old"));
  facts_.backup = {};
  EXPECT_THAT(TheyTell(true), ElementsAre("note backup"));
  facts_.backup.trouble = "permission denied";
  EXPECT_THAT(TheyTell(), ElementsAre("unknown backup"));
}

TEST_F(Checks, SpeedAgainstWhatStreamsBring) {
  facts_.streams = 40;  // 20 MB/s; four times that.
  volume().speed = {100e6, 120e6};
  EXPECT_THAT(TheyTell(true), ElementsAre("note disk-speed /srv/footage1"));
  volume().speed = {79e6, 120e6};
  EXPECT_THAT(TheyTell(), ElementsAre("warning disk-speed /srv/footage1"));
  facts_.streams = 0;
  volume().speed = {120e6, 9e6};
  EXPECT_THAT(TheyTell(), ElementsAre("warning disk-speed /srv/footage1"));
  volume().speed.reset();
  volume().speed_trouble = "no";
  EXPECT_THAT(TheyTell(), ElementsAre("unknown disk-speed /srv/footage1"));
}

TEST_F(Checks, AVolumeThatIsBusyHalfOfTheTime) {
  volume().busy_share = 0.49;
  EXPECT_THAT(TheyTell(), IsEmpty());
  volume().busy_share = 0.51;
  EXPECT_THAT(TheyTell(), ElementsAre("warning disk-speed /srv/footage1"));
}

TEST_F(Checks, Certificates) {
  facts_.certificate = {"/etc/c.pem", "", facts_.now_us + 31 * kUsPerDay};
  EXPECT_THAT(TheyTell(), IsEmpty());
  facts_.certificate->expires_us = facts_.now_us + 29 * kUsPerDay;
  EXPECT_THAT(TheyTell(), ElementsAre("warning certificate /etc/c.pem"));
  facts_.certificate->expires_us = facts_.now_us - 1;
  EXPECT_THAT(TheyTell(), ElementsAre("error certificate /etc/c.pem"));
  facts_.certificate = {"/etc/c.pem", "not the key of the certificate", {}};
  EXPECT_THAT(TheyTell(), ElementsAre("error certificate /etc/c.pem"));
}

TEST_F(Checks, LibrariesThatAreOthersThanTheProgramWasBuiltWith) {
  facts_.libraries = {{"same", "1.2.3", "1.2.3"},
                      {"patched", "1.2.3", "1.2.9"},
                      {"newer", "1.2.3", "1.3.0"},
                      {"older", "1.2.3", "1.1.9"},
                      {"other", "1.2.3", "2.2.3"}};
  EXPECT_THAT(TheyTell(), ElementsAre("error libraries other", "warning libraries older"));
}

TEST_F(Checks, TheLibrariesOfThisProgramAreThoseItWasBuiltWith) {
  facts_.libraries = Libraries();
  EXPECT_EQ(facts_.libraries.size(), 9u);
  for (const Library& library : facts_.libraries) {
    EXPECT_THAT(library.running, testing::MatchesRegex("[0-9]+\\.[0-9]+.*")) << library.name;
  }
  EXPECT_THAT(TheyTell(), IsEmpty());
}

TEST_F(Checks, SettingsOfCameras) {
  AddCamera("fine");
  AddCamera("gop").gop_us = 10 * kUsPerSecond;
  AddCamera("none").gop_us = 0;
  AddCamera("lossy").lost_share = 0.02;
  AddCamera("late").clock_offset_us = -3 * kUsPerSecond;
  AddCamera("odd").timed_by_arrival = true;
  AddCamera("heavy").h265_alone = true;
  CameraFacts& slow = AddCamera("slow");
  slow.declared_frames_per_second = 25;
  slow.frames_per_second = 12;
  AddCamera("young").recording_us = kUsPerSecond;
  facts_.cameras.back().gop_us = 0;
  facts_.cameras.back().declared_frames_per_second = 25;
  facts_.cameras.back().frames_per_second = 2;
  AddCamera("away").recording = false;
  EXPECT_THAT(TheyTell(true),
              ElementsAre("warning cameras gop", "warning cameras none", "warning cameras lossy",
                          "warning cameras late", "warning cameras odd", "unknown cameras away",
                          "note cameras heavy", "note cameras slow"));
  EXPECT_THAT(Examine(facts_).findings[0].cure, HasSubstr("I-frame interval 2 s"));
}

TEST_F(Checks, WithoutAServerCamerasAreUnknown) {
  facts_.server = false;
  EXPECT_THAT(TheyTell(), ElementsAre("unknown promises", "unknown cameras"));
}

TEST_F(Checks, WhatStandsInTheSteadOfAMissingDiskIsNotJudged) {
  facts_.streams = 0;
  volume().boot_mounted = false;
  volume().writable = false;
  volume().space.free_bytes = 0;
  volume().strange = {"/srv/footage1/x"};
  EXPECT_THAT(TheyTell(true), ElementsAre("error volume-mount /srv/footage1"));
}

TEST_F(Checks, HowBusyAVolumeIsShowsAfterAWhile) {
  volume().busy_share.reset();
  EXPECT_THAT(TheyTell(), ElementsAre("unknown disk-speed /srv/footage1"));
}

TEST_F(Checks, TheWorstComesFirstAndEachHasASentenceAndACure) {
  facts_.clock_synchronised = false;
  facts_.open_files = 1;
  facts_.server = false;
  volume().speed = {1e9, 1e9};
  const Report report = Examine(facts_);
  const std::vector<Severity> expected = {Severity::kError, Severity::kWarning, Severity::kUnknown,
                                          Severity::kUnknown, Severity::kNote};
  ASSERT_EQ(report.findings.size(), expected.size());
  for (size_t i = 0; i < report.findings.size(); ++i) {
    EXPECT_EQ(report.findings[i].severity, expected[i]);
    EXPECT_FALSE(report.findings[i].sentence.empty());
    EXPECT_FALSE(report.findings[i].cure.empty());
    EXPECT_NE(std::find(kChecks.begin(), kChecks.end(), report.findings[i].check), kChecks.end());
  }
  EXPECT_FALSE(report.sound());
  EXPECT_EQ(report.StateOf("space"), Severity::kOk);
}

TEST(ChecksDocument, NamesEachCheckOnce) {
  std::ifstream file(LOOKBACK_SOURCE_DIR "/docs/cli.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const std::string_view check : kChecks) {
    EXPECT_THAT(text.str(), HasSubstr("\n| `" + std::string(check) + "` | "));
  }
}

}  // namespace
}  // namespace lookback::doctor
