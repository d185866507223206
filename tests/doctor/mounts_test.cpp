#include "doctor/mounts.h"

#include <gmock/gmock.h>

namespace lookback::doctor {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(MountInfo, ReadsFieldsOptionalOnesAndEscapes) {
  const auto mounts = ParseMountInfo(
      "36 35 98:0 /mnt1 /srv/my\\040disk rw,noatime master:1 shared:2 - ext3 /dev/ro\\134ot "
      "rw,errors=continue\n"
      "37 35 0:45 / /run rw - tmpfs tmpfs rw\n");
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_EQ(mounts[0].major, 98u);
  EXPECT_EQ(mounts[0].minor, 0u);
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].point, "/srv/my disk");
  EXPECT_EQ(mounts[0].options, "rw,noatime");
  EXPECT_EQ(mounts[0].type, "ext3");
  EXPECT_EQ(mounts[0].source, "/dev/ro\\ot");
  EXPECT_EQ(mounts[0].super_options, "rw,errors=continue");
  EXPECT_EQ(mounts[1].type, "tmpfs");
}

TEST(MountInfo, LeavesOutWhatIsNoMount) {
  for (const char* line : {"", "\n\n", "36", "36 35 98 / / rw - x y z", "36 35 98: / / rw - x y z",
                           "36 35 x:0 / / rw - x y z", "36 35 98:0 / / rw shared:1",
                           "36 35 98:0 / relative rw - x y z", "36 35 98:0 / / rw -",
                           "36 35 99999999999:0 / / rw - x y z", "-1 35 98:0 / / rw - x y z"}) {
    EXPECT_THAT(ParseMountInfo(line), IsEmpty()) << line;
  }
}

TEST(MountInfo, IsBoundedInEntries) {
  std::string text;
  for (size_t i = 0; i < kMaxMounts + 10; ++i) text += "1 1 8:1 / /a rw - ext4 d rw\n";
  EXPECT_THAT(ParseMountInfo(text), SizeIs(kMaxMounts));
}

TEST(Fstab, ReadsEntriesCommentsAndEscapes) {
  const auto entries = ParseFstab(
      "# a comment\n"
      "  # another\n"
      "UUID=ab\t/srv/my\\040disk/  xfs \t defaults,nofail 0 2\n"
      "LABEL=x none swap sw 0 0\n"
      "/dev/sdb1 /srv/b\n"
      "lonely\n");
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].spec, "UUID=ab");
  EXPECT_EQ(entries[0].point, "/srv/my disk");
  EXPECT_EQ(entries[0].options, "defaults,nofail");
  EXPECT_EQ(entries[1].point, "/srv/b");
  EXPECT_EQ(entries[1].options, "");
}

TEST(Fstab, AnEscapeThatIsNoneStaysAsItIs) {
  const auto entries = ParseFstab("a /s\\04 x y\nb /s\\999 x y\nc /s\\777 x y\nd /s\\ x y\n");
  ASSERT_THAT(entries, SizeIs(4));
  EXPECT_EQ(entries[0].point, "/s\\04");
  EXPECT_EQ(entries[1].point, "/s\\999");
  EXPECT_EQ(entries[2].point, "/s\\777");
  EXPECT_EQ(entries[3].point, "/s\\");
}

TEST(MountUnit, ReadsItsMountSectionAlone) {
  const auto unit = ParseMountUnit(
      "[Unit]\nWhere=/no\n[Mount]\nWhat=/dev/disk/by-uuid/1\nWhere=/srv/a/\nType=xfs\n"
      "Options=nofail\n[Install]\nWhere=/neither\n");
  ASSERT_TRUE(unit);
  EXPECT_EQ(unit->point, "/srv/a");
  EXPECT_EQ(unit->spec, "/dev/disk/by-uuid/1");
  EXPECT_TRUE(unit->unit);
  EXPECT_FALSE(ParseMountUnit("[Mount]\nWhat=x\n"));
  EXPECT_FALSE(ParseMountUnit("[Service]\nWhere=/srv/a\n"));
}

TEST(Mounts, TheOneOnTopAndNearestCounts) {
  const auto mounts = ParseMountInfo(
      "1 1 8:1 / / rw - ext4 d rw\n"
      "2 1 8:2 / /srv rw - ext4 d rw\n"
      "3 1 8:3 / /srv/a rw - ext4 d rw\n"
      "4 1 8:4 / /srv/a rw - xfs d rw\n"
      "5 1 0:9 / /srv/b rw - autofs systemd-1 rw\n");
  EXPECT_EQ(MountOf(mounts, "/srv/a/v1")->minor, 4u);
  EXPECT_EQ(MountOf(mounts, "/srv/ab")->minor, 2u);
  EXPECT_EQ(MountOf(mounts, "/srv/b")->minor, 2u) << "nothing is behind an automount yet";
  EXPECT_EQ(MountOf(mounts, "/home")->minor, 1u);
  EXPECT_EQ(MountOf({}, "/home"), nullptr);
}

// As ProtectSystem=strict and ReadWritePaths=/srv make it (systemd.exec(5)).
TEST(Mounts, ASandboxsDirectoryIsNoDisk) {
  const auto mounts = ParseMountInfo(
      "1 1 8:1 / / ro - ext4 d rw\n"
      "2 1 8:1 /srv /srv rw - ext4 d rw\n"
      "3 2 8:17 / /srv/footage1 rw - xfs e rw\n"
      "4 2 8:1 /elsewhere /srv/bound rw - ext4 d rw\n");
  EXPECT_TRUE(IsEcho(mounts, mounts[1]));
  EXPECT_FALSE(IsEcho(mounts, mounts[2]));
  EXPECT_FALSE(IsEcho(mounts, mounts[3])) << "a bind mount of another directory";
  EXPECT_FALSE(IsEcho(mounts, mounts[0]));
  EXPECT_EQ(RealMountOf(mounts, "/srv/footage2")->point, "/");
  EXPECT_EQ(RealMountOf(mounts, "/srv/footage1/v1")->point, "/srv/footage1");
}

TEST(BootMounts, TheNearestAboveCountsButTheRoot) {
  const auto entries = ParseFstab("a / x y\nb /srv x y\nc /srv/a x y\n");
  EXPECT_EQ(BootMountOf(entries, "/srv/a/v")->spec, "c");
  EXPECT_EQ(BootMountOf(entries, "/srv/ab")->spec, "b");
  EXPECT_EQ(BootMountOf(entries, "/home"), nullptr);
}

TEST(Options, AreWholeWords) {
  EXPECT_TRUE(HasOption("rw,nofail", "nofail"));
  EXPECT_TRUE(HasOption("nofail", "nofail"));
  EXPECT_FALSE(HasOption("nofailure,x-nofail", "nofail"));
  EXPECT_FALSE(HasOption("", "ro"));
}

}  // namespace
}  // namespace lookback::doctor
