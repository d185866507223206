// What a machine has against settings that are in order by themselves, on one that is made up.
#include "apps/lookback/settings_check.h"

#include <gmock/gmock.h>

#include "storage/volume_file.h"
#include "tests/doctor/fake_machine.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using doctor::test::FakeMachine;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

class SettingsCheck : public testing::Test {
 protected:
  SettingsCheck() {
    settings_.data = "/var/lib/lookback";
    settings_.listen = "127.0.0.1:0";
    machine_.user_id = FakeMachine::kService;
    machine_.Directory("/srv");
    machine_.nodes["/"].uid = machine_.nodes["/"].gid = 0;
    machine_.nodes["/etc"] = machine_.nodes["/"];
  }
  // "volumes[1] 4: TEXT", with "note" in place of the exit code.
  std::vector<std::string> Told(const doctor::Service& service) {
    std::vector<std::string> told;
    for (const MachineProblem& each : ProblemsHere(settings_, service, machine_, *files_)) {
      const SettingProblem& problem = each.problem;
      told.push_back(problem.setting->key() +
                     (problem.element ? "[" + std::to_string(*problem.element) + "]" : "") + " " +
                     (each.note ? "note" : std::to_string(each.exit)) + ": " + problem.text);
    }
    return told;
  }
  std::vector<std::string> Told() { return Told({doctor::OwnUser(machine_), "", false}); }

  FakeMachine machine_;
  Settings settings_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
};

TEST_F(SettingsCheck, WhatIsThereAndWritableIsInOrder) {
  settings_.volumes = {"/srv/footage1", "/srv/footage2/"};
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(SettingsCheck, AVolumeThatIsNotThereIsNotedWhereAStartMakesItAndRefusedWhereItCannot) {
  settings_.volumes = {"/srv/footage1", "/srv/footage9/a", "/footage"};
  EXPECT_THAT(Told(),
              ElementsAre(StartsWith("volumes[1] note: /srv/footage9/a is not there: a start "
                                     "makes it, on the file system of /srv;"),
                          StartsWith("volumes[2] 4: /footage is not there, and user lookback "
                                     "may not make it in /:")));
  machine_.nodes["/srv/file"] = machine_.nodes["/srv"];
  machine_.nodes["/srv/file"].is_directory = false;
  settings_.volumes = {"/srv/file/a"};
  EXPECT_THAT(Told(), ElementsAre("volumes[0] 4: /srv/file/a cannot be made: /srv/file is a file"));
}

TEST_F(SettingsCheck, ADirectoryOfAnotherUserIsRefusedWithWhatToType) {
  machine_.nodes["/srv/footage2"].uid = 0;
  machine_.nodes["/var/lib/lookback"].uid = 0;
  settings_.volumes = {"/srv/footage1", "/srv/footage2"};
  EXPECT_THAT(Told(), ElementsAre("data 4: user lookback may not write /var/lib/lookback: `chown "
                                  "lookback: /var/lib/lookback`",
                                  "volumes[1] 4: user lookback may not write /srv/footage2: `chown "
                                  "lookback: /srv/footage2`"));
}

TEST_F(SettingsCheck, OneVolumeByTwoNamesIsRefusedAsAStartWould) {
  machine_.links["/footage"] = "/srv/footage1";
  machine_.links["/more"] = "/srv";
  settings_.volumes = {"/srv/footage1", "/footage", "/srv/new", "/more/new"};
  const auto told = Told();
  ASSERT_EQ(told.size(), 3u);
  EXPECT_THAT(told[0], StartsWith("volumes[1] 2: /footage leads to /srv/footage1"));
  EXPECT_THAT(told[1], StartsWith("volumes[2] note: "));
  EXPECT_THAT(told[2], StartsWith("volumes[3] 2: /more/new leads to /srv/new"));
}

TEST_F(SettingsCheck, ADataDirectoryInAVolumeAndAReadOnlyDiskAreRefused) {
  machine_.Directory("/srv/footage1/data");
  settings_.data = "/srv/footage1/data";
  settings_.volumes = {"/srv/footage1"};
  EXPECT_THAT(Told(), ElementsAre(StartsWith("volumes[0] 8: the data directory "
                                             "/srv/footage1/data is in the volume")));
  settings_.data = "/var/lib/lookback";
  machine_.nodes["/srv/footage2"].uid = 0;
  machine_.spaces["/srv/footage2"].read_only = true;
  settings_.volumes = {"/srv/footage2"};
  EXPECT_THAT(Told(), ElementsAre(StartsWith("volumes[0] 4: /srv/footage2 is on a file system "
                                             "that is read-only")));
}

TEST_F(SettingsCheck, AVolumeOfTheStoreIsNotLookedAtAndHasOneName) {
  const test::TempDir data;
  machine_.Directory(data.path());
  settings_.data = data.path();
  ASSERT_TRUE(storage::WriteStoreFile(
      *files_, data.Path("store.json"),
      {Uuid::Random(), 1, 0, 0, {{"/srv/away", Uuid::Random(), false}}, {"/footage"}, {}}));
  settings_.volumes = {"/srv/away", "/footage"};
  EXPECT_THAT(Told(), IsEmpty()) << "one is known, one was removed";
  machine_.links["/link"] = "/srv/away";
  settings_.volumes = {"/link"};
  EXPECT_THAT(Told(),
              ElementsAre("volumes[0] 2: /link leads to /srv/away, which is a volume of this "
                          "store already"));
}

TEST_F(SettingsCheck, AHostThatNoServerOfThisMachineCanHaveIsRefused) {
  settings_.listen = "a..b:8686";  // No name has an empty label: no resolver has to be asked.
  EXPECT_THAT(Told(), ElementsAre(StartsWith("http.listen 9: cannot listen on \"a..b\"")));
  settings_.listen = "192.0.2.1:8686";  // Of documentation alone (RFC 5737).
  EXPECT_THAT(Told(), ElementsAre(StartsWith("http.listen 9: cannot listen on \"192.0.2.1\"")));
}

TEST_F(SettingsCheck, RootIsToldWhatTheServicesUserCannotRead) {
  machine_.user_id = 0;
  settings_.tls_certificate = "/etc/tls.crt";
  settings_.tls_key = "/etc/tls.key";
  machine_.nodes["/etc/tls.crt"].mode = 0644;
  machine_.nodes["/etc/tls.key"].mode = 0640;
  machine_.texts["/etc/systemd/system/lookback.service"] =
      "[Service]\nUser=lookback\nStateDirectory=lookback\n";
  const auto told = [&] { return Told(ServiceOf(machine_, settings_.data, "")); };
  EXPECT_THAT(told(), ElementsAre("http.tls_key 4: user lookback cannot read /etc/tls.key: `chgrp "
                                  "lookback /etc/tls.key`, `chmod g+r /etc/tls.key`"));
  machine_.users["lookback"].gids.push_back(42);
  machine_.nodes["/etc/tls.key"].gid = 42;  // As of ssl-cert.
  EXPECT_THAT(told(), IsEmpty());
  machine_.nodes["/etc"].mode = 0700;
  machine_.barred = {"/etc/tls.crt", "/etc/tls.key"};
  EXPECT_THAT(told()[0], testing::HasSubstr("it may not enter /etc;"));
  // Without a unit it is who owns the store.
  machine_.texts.clear();
  EXPECT_EQ(told().size(), 2u);
  // Systemd makes the store's directory, and gives it to that user; else it has to be his.
  machine_.barred.clear();
  machine_.nodes["/etc"].mode = 0755;
  machine_.nodes["/var/lib/lookback"].uid = 0;
  machine_.texts["/etc/systemd/system/lookback.service"] =
      "[Service]\nUser=lookback\nStateDirectory=lookback\n";
  EXPECT_THAT(told(), IsEmpty());
  // Before there is a store, it is likely to become the unit's.
  settings_.data = "/srv/new";
  machine_.nodes["/etc/tls.key"].mode = 0600;
  EXPECT_THAT(told(), ElementsAre(StartsWith("http.tls_key note: user lookback cannot read")));
}

}  // namespace
}  // namespace lookback::app
