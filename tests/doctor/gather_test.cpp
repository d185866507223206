// Faults of a machine, from its tables to the finding: each is planted alone,
// and nothing else is told.
#include <gmock/gmock.h>

#include "tests/doctor/fake_machine.h"

namespace lookback::doctor {
namespace {

using test::FakeMachine;
using test::Told;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string kOne = "/srv/footage1";
const std::string kTwo = "/srv/footage2";
const std::string kData = "/var/lib/lookback";

void Replace(std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
}

std::string CureOf(const Report& report, std::string_view check) {
  for (const Finding& finding : report.findings) {
    if (finding.check == check) return finding.cure;
  }
  return {};
}

TEST(Gather, AHealthyMachineHasNoFinding) {
  FakeMachine machine;
  EXPECT_THAT(Told(machine.Examined(), /*notes=*/true), IsEmpty());
}

TEST(Gather, ABareMountPointIsFoundWhateverLooksLikeAMount) {
  FakeMachine machine;
  machine.Unmount(kOne);
  machine.nodes.erase(kOne + "/volume.json");
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("error volume-mount " + kOne));
  EXPECT_THAT(CureOf(report, "volume-mount"), HasSubstr("`mount /srv/footage1`"));

  // In a sandbox /srv is bound onto itself, and so may be the volume.
  FakeMachine sandbox;
  sandbox.Unmount(kOne);
  sandbox.mountinfo += "9 1 8:1 /srv /srv rw - ext4 /dev/x rw\n";
  sandbox.mountinfo += "9 1 8:1 /srv/footage1 /srv/footage1 rw - ext4 /dev/x rw\n";
  EXPECT_THAT(Told(sandbox.Examined()), ElementsAre("error volume-mount " + kOne));
}

TEST(Gather, ASandboxMakesNoFinding) {
  FakeMachine machine;
  machine.question.no_smart = "a server that records does not ask it";
  // ProtectSystem=strict, ReadWritePaths=-/srv, StateDirectory=; /proc/meminfo is not there.
  machine.mountinfo +=
      "9 1 8:1 /srv /srv rw - ext4 /dev/x rw\n"
      "9 1 8:17 / /srv/footage1 rw - xfs /dev/x rw\n"
      "9 1 8:33 / /srv/footage2 rw - xfs /dev/x rw\n"
      "9 1 8:2 / /var/lib/lookback rw - ext4 /dev/x rw\n";
  EXPECT_THAT(Told(machine.Examined()),
              UnorderedElementsAre("unknown disk-health /dev/sda", "unknown disk-health /dev/sdb",
                                   "unknown disk-health /dev/sdc"));
}

TEST(Gather, AMountUnitIsAsGoodAsALineOfFstab) {
  FakeMachine machine;
  Replace(machine.texts["/etc/fstab"], "UUID=3 /srv/footage1 xfs defaults,nofail 0 2\n", "");
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning mount-at-boot " + kOne));
  machine.lists["/etc/systemd/system"] = {"other.service", "srv-footage1.mount"};
  machine.texts["/etc/systemd/system/srv-footage1.mount"] = "[Mount]\nWhere=/srv/footage1\n";
  EXPECT_THAT(Told(machine.Examined()), IsEmpty());
  machine.Unmount(kOne);
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("error volume-mount " + kOne));
}

TEST(Gather, WhatAStartOfTheMachineWouldNotMountIsTold) {
  FakeMachine machine;
  const std::string was = machine.texts["/etc/fstab"];
  Replace(machine.texts["/etc/fstab"], "footage1 xfs defaults,nofail", "footage1 xfs defaults");
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning mount-at-boot " + kOne));
  machine.texts["/etc/fstab"] = was;
  Replace(machine.texts["/etc/fstab"], "footage1 xfs defaults", "footage1 xfs noauto");
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning mount-at-boot " + kOne));
  machine.texts["/etc/fstab"] = was;
  Replace(machine.texts["/etc/fstab"], "UUID=3", "/dev/sdb1");
  EXPECT_THAT(Told(machine.Examined(), true), ElementsAre("note mount-at-boot " + kOne));
  machine.texts["/etc/fstab"] = "";
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report),
              UnorderedElementsAre("warning mount-at-boot " + kOne, "warning mount-at-boot " + kTwo,
                                   "warning mount-at-boot " + kData));
  EXPECT_THAT(CureOf(report, "mount-at-boot"), HasSubstr(">> /etc/fstab`"));
}

TEST(Gather, AVolumeOnTheSystemsFileSystemIsFoundAndOneOnItsDiskIsNoted) {
  FakeMachine machine;
  machine.Directory("/home/footage");
  machine.question.volumes = {{kOne, true, "", 0.1}, {"/home/footage", false, "", 0.1}};
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning volume-own-disk /home/footage"));
  FakeMachine partition;
  partition.Block("8:17", "sda", "sda5");
  EXPECT_THAT(Told(partition.Examined(), true), ElementsAre("note volume-own-disk " + kOne));
}

TEST(Gather, AVolumeThatTheFirstStartMakesIsJudgedByWhereItWouldBe) {
  FakeMachine machine;
  machine.question.volumes = {{"/srv/none/yet", false, "", 0.1}, {kOne + "/yet", false, "", 0.1}};
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning volume-own-disk /srv/none/yet"));
}

TEST(Gather, AKnownVolumeThatIsGoneIsFound) {
  FakeMachine machine;
  machine.nodes.erase(kTwo + "/volume.json");
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("error volume-mount " + kTwo));
}

TEST(Gather, FileSystemsThatLoseFootageAreFound) {
  for (const auto& [type, severity] :
       std::map<std::string, std::string>{{"tmpfs", "error"},
                                          {"overlay", "error"},
                                          {"nfs4", "warning"},
                                          {"cifs", "warning"},
                                          {"fuse.sshfs", "warning"}}) {
    FakeMachine machine;
    machine.Unmount(kOne);
    machine.Mounted(kOne, 0, 77, type);
    machine.nodes[kOne + "/volume.json"] = machine.nodes[kOne];
    EXPECT_THAT(Told(machine.Examined()), ElementsAre(severity + " file-system " + kOne)) << type;
  }
}

TEST(Gather, PlacesThatShareAFileSystemAreFound) {
  FakeMachine machine;
  machine.Directory(kOne + "/b");
  machine.nodes[kOne + "/b/volume.json"] = machine.nodes[kOne];
  machine.question.volumes = {{kOne, true, "", 0.1}, {kOne + "/b", true, "", 0.1}};
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("warning shared-disk " + kOne + "/b"));
  FakeMachine data;
  data.Directory(kOne + "/data");
  data.nodes[kOne + "/data/store.json"] = data.nodes[kOne];
  data.question.data = kOne + "/data";
  EXPECT_THAT(Told(data.Examined()), ElementsAre("warning data-directory " + kOne + "/data"));
}

TEST(Gather, ADataDirectoryOnPlattersIsNoted) {
  FakeMachine machine;
  machine.texts["/sys/devices/sda/queue/rotational"] = "1\n";
  EXPECT_THAT(Told(machine.Examined(), true), ElementsAre("note data-directory " + kData));
}

TEST(Gather, ArraysAndEncryptionAreFollowedToTheirDisks) {
  FakeMachine machine;
  // dm-0 (encryption) on md0 (an array) of sdb1 and sdc1.
  machine.links["/sys/dev/block/8:17"] = "/sys/devices/virtual/block/dm-0";
  machine.lists["/sys/devices/virtual/block/dm-0/slaves"] = {"md0"};
  machine.links["/sys/class/block/md0"] = "/sys/devices/virtual/block/md0";
  machine.lists["/sys/devices/virtual/block/md0/slaves"] = {"sdb1", "sdc1"};
  machine.links["/sys/class/block/sdb1"] = "/sys/devices/sdb/sdb1";
  machine.nodes["/sys/devices/sdb/sdb1/partition"] = {};
  machine.links["/sys/class/block/sdc1"] = "/sys/devices/sdc/sdc1";
  EXPECT_THAT(machine.Gather().places[1].disks, ElementsAre("sdb", "sdc"));
  // One that is made of itself ends all the same.
  machine.lists["/sys/devices/virtual/block/md0/slaves"] = {"md0"};
  EXPECT_THAT(machine.Gather().places[1].disks, ElementsAre("md0"));
}

TEST(Gather, AnImageIsOnTheDiskOfItsFile) {
  FakeMachine machine;
  machine.links["/sys/dev/block/8:17"] = "/sys/devices/virtual/block/loop3";
  machine.texts["/sys/devices/virtual/block/loop3/loop/backing_file"] = "/srv/footage2/one.img\n";
  machine.nodes["/srv/footage2/one.img"] = machine.nodes[kTwo];
  EXPECT_THAT(machine.Gather().places[1].disks, ElementsAre("sdc"));
  EXPECT_THAT(Told(machine.Examined()), IsEmpty());
  machine.texts["/sys/devices/virtual/block/loop3/loop/backing_file"] = "/images/one.img\n";
  machine.nodes["/images/one.img"] = machine.nodes["/"];
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report, true), ElementsAre("warning volume-own-disk " + kOne));
  EXPECT_THAT(report.findings[0].sentence, HasSubstr("/images/one.img"));
  // At a start there is no loop device whose UUID could be looked for.
  Replace(machine.texts["/etc/fstab"], "UUID=3 /srv/footage1 xfs defaults,nofail 0 2\n", "");
  EXPECT_THAT(
      CureOf(machine.Examined(), "mount-at-boot"),
      HasSubstr("/images/one.img /srv/footage1 $(findmnt -no FSTYPE /srv/footage1) loop,nofail"));
}

TEST(Gather, NobodyIsToldToWriteALineOfFstabThatMountsNothing) {
  for (const char* type : {"tmpfs", "overlay", "nfs4"}) {
    FakeMachine machine;
    machine.Unmount(kOne);
    machine.Mounted(kOne, 0, 77, type);
    machine.nodes[kOne + "/volume.json"] = machine.nodes[kOne];
    Replace(machine.texts["/etc/fstab"], "UUID=3 /srv/footage1 xfs defaults,nofail 0 2\n", "");
    const Report report = machine.Examined();
    const bool remote = type == std::string("nfs4");
    EXPECT_EQ(report.StateOf("mount-at-boot"), remote ? Severity::kWarning : Severity::kOk) << type;
    EXPECT_THAT(CureOf(report, "mount-at-boot"), testing::Not(HasSubstr("UUID"))) << type;
    EXPECT_EQ(CureOf(report, "mount-at-boot").find("findmnt -no SOURCE") != std::string::npos,
              remote);
  }
}

TEST(Gather, SecretsOthersCanReadAreFound) {
  FakeMachine machine;
  const std::string path = kData + "/secrets/tokens";
  machine.nodes[path].mode = 0644;
  const Report shielded = machine.Examined();
  EXPECT_THAT(Told(shielded), ElementsAre("warning secrets " + path));
  EXPECT_THAT(CureOf(shielded, "secrets"), HasSubstr("`chmod go= " + path));
  for (const std::string& directory : {kData, kData + "/secrets"}) {
    machine.nodes[directory].mode = 0755;
  }
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("error secrets " + path));
}

TEST(Gather, WhatTheServicesUserMayNotWriteIsFound) {
  FakeMachine machine;
  machine.nodes[kOne].uid = 0;
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("error file-access " + kOne));
  EXPECT_EQ(CureOf(report, "file-access"), "`chown -R lookback: /srv/footage1`");
  machine.nodes[kOne].mode = 0770;  // By its group.
  EXPECT_THAT(Told(machine.Examined()), IsEmpty());
  FakeMachine own;
  own.user_id = FakeMachine::kService;
  own.barred = {kOne};  // By an access list, for one.
  EXPECT_THAT(Told(own.Examined()), ElementsAre("error file-access " + kOne));
}

TEST(Gather, TheServicesUserIsTheUnitsWhereTheStoreIsItsOwn) {
  const std::string unit = "/usr/lib/systemd/system/lookback.service";
  const auto left_by_root = [&] {
    FakeMachine machine;
    for (auto& [path, node] : machine.nodes) node.uid = node.gid = 0;
    return machine;
  };
  FakeMachine machine = left_by_root();
  EXPECT_THAT(Told(machine.Examined()), IsEmpty()) << "of whoever owns it";
  machine.texts[unit] = "[Service]\nUser=lookback\nStateDirectory=lookback\n";
  EXPECT_THAT(Told(machine.Examined()),
              UnorderedElementsAre("error file-access " + kOne, "error file-access " + kTwo,
                                   "error file-access " + kData, "warning file-access " + kData));
  machine.texts[unit] = "[Service]\nUser=lookback\nStateDirectory=other\n";
  EXPECT_THAT(Told(machine.Examined()), IsEmpty()) << "of another store";
  machine.texts[unit] +=
      "ExecStart=/usr/bin/lookback serve --config /etc/lookback/lookback.toml $OPTIONS\n";
  machine.question.config = "/etc/lookback/lookback.toml";
  EXPECT_THAT(Told(machine.Examined()), Contains("error file-access " + kOne));
  // What `systemctl edit` wrote goes before it.
  machine.lists["/etc/systemd/system/lookback.service.d"] = {"override.conf"};
  machine.texts["/etc/systemd/system/lookback.service.d/override.conf"] = "[Service]\nUser=root\n";
  machine.users["root"] = {"root", "root", 0, {0}};
  EXPECT_THAT(Told(machine.Examined()), IsEmpty());
}

TEST(Gather, FilesThatACommandOfRootLeftAreNamed) {
  FakeMachine machine;
  machine.lists[kData] = {"ledger", "store.json"};
  machine.lists[kOne] = {"lost+found", "v1"};
  machine.nodes[kData + "/store.json"] = machine.nodes[kData];
  machine.nodes[kData + "/store.json"].uid = 0;
  machine.nodes[kOne + "/lost+found"] = machine.nodes[kData + "/store.json"];
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("warning file-access " + kData));
  EXPECT_THAT(report.findings[0].sentence, HasSubstr(kData + "/store.json"));
}

TEST(Gather, DisksSpeakOfTheirHealth) {
  FakeMachine machine;
  machine.smart["sdb"] = R"({"smart_status": {"passed": false}})";
  machine.smart["sdc"] = R"({"ata_smart_attributes": {"table": [{"id": 5, "raw": {"value": 8}}]}})";
  machine.smart.erase("sda");
  machine.texts["/sys/fs/ext4/sda2/errors_count"] = "3\n";
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report),
              ElementsAre("error disk-health /dev/sdb", "warning disk-health " + kData,
                          "warning disk-health /dev/sdc", "unknown disk-health /dev/sda"));
  EXPECT_EQ(report.findings.back().cure, "`apt install smartmontools`");
}

TEST(Gather, AReadOnlyFileSystemIsSickAndAReadOnlyMountIsASandbox) {
  FakeMachine machine;
  machine.spaces[kOne].read_only = true;
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("error file-access " + kOne));
  EXPECT_THAT(CureOf(report, "file-access"), HasSubstr("ReadWritePaths=/srv/footage1"));
  machine.mountinfo.replace(machine.mountinfo.find("xfs /dev/x rw"), 13, "xfs /dev/x ro");
  EXPECT_THAT(Told(machine.Examined()), ElementsAre("error disk-health " + kOne));
}

TEST(Gather, LimitsAndMemoryOfAControlGroup) {
  FakeMachine machine;
  machine.open_files = 1'024;
  machine.texts["/proc/self/cgroup"] = "0::/system.slice/lookback.service\n";
  machine.texts["/sys/fs/cgroup/system.slice/lookback.service/memory.max"] = "268435456\n";
  machine.texts["/proc/meminfo"] = "MemTotal: 8 kB\nMemAvailable:    100000 kB\n";
  machine.lists[kOne + "/v1"] = {"gate", "ledger", "yard"};
  Facts facts = machine.Gather();
  facts.connections = 2'048;
  EXPECT_THAT(Told(Examine(facts)),
              ElementsAre("warning open-files", "warning memory", "warning memory"));
  machine.open_files = 100;
  EXPECT_THAT(Told(machine.Examined()), Contains("error open-files"));
  machine.texts["/sys/fs/cgroup/system.slice/lookback.service/memory.max"] = "max\n";
  EXPECT_EQ(machine.Gather().memory_bytes, machine.memory);
}

TEST(Gather, WhatCannotBeSeenIsUnknownAndNotWell) {
  FakeMachine machine;
  Facts facts = machine.Gather();
  EXPECT_TRUE(facts.mounts_trouble.empty());
  machine.question.volumes[0].skip = "it hardly answers";
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("unknown volume-mount " + kOne));
  EXPECT_EQ(report.StateOf("volume-mount"), Severity::kUnknown);
  EXPECT_TRUE(report.sound());
}

TEST(Gather, AVolumeThatTheServerGaveUpIsAnErrorAndIsNotTouched) {
  FakeMachine machine;
  machine.question.volumes[0].failed = "input/output error";
  const Report report = machine.Examined();
  EXPECT_THAT(Told(report), ElementsAre("error volume-mount " + kOne));
  EXPECT_FALSE(report.sound());
}

TEST(Gather, TheNoteOfTheLastBackupIsReadAndNotBelieved) {
  FakeMachine machine;
  EXPECT_EQ(machine.Gather().backup.at_us, FakeMachine::kNowUs - kUsPerDay);
  EXPECT_EQ(machine.Gather().backup.path, "/mnt/backup/x");
  for (const char* text : {"", "[]", "{}", R"({"time": 7})", R"({"time": "soon", "backup": 1})"}) {
    machine.texts[kData + "/last-backup.json"] = text;
    EXPECT_THAT(Told(machine.Examined()), ElementsAre("unknown backup")) << text;
  }
  machine.texts.erase(kData + "/last-backup.json");
  EXPECT_THAT(Told(machine.Examined(), true), ElementsAre("note backup"));
}

TEST(Gather, AStoreThatRunsIsToldByItsLock) {
  FakeMachine machine;
  Node lock;
  lock.device = 8 << 8 | 2;
  lock.inode = 4711;
  machine.nodes[kData + "/lock"] = lock;
  machine.texts["/proc/locks"] = "1: FLOCK  ADVISORY  WRITE 77 08:02:47110 0 EOF\n";
  EXPECT_FALSE(StoreRuns(kData, machine));
  machine.texts["/proc/locks"] = "1: FLOCK  ADVISORY  WRITE 77 08:02:4711 0 EOF\n";
  EXPECT_TRUE(StoreRuns(kData, machine));
  EXPECT_FALSE(StoreRuns("/elsewhere", machine));
}

}  // namespace
}  // namespace lookback::doctor
