// Command lines that ask no server: help, mistakes, the manual, and stores on this machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/apps/lookback/command_line_fixture.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kStoreFile =
    R"({"format": 2, "store": "6f1d3a52-7c1e-4a8e-9d53-2b8c9a4f7e10", "epoch": 1,
        "marked_epoch": 0, "ledger_mark": 0, "volumes": []})";

// One with the Debian package's directories, which are somewhere else in truth.
class PackagedMachine : public test::FaultFileSystem {
 public:
  PackagedMachine(FileSystem& below, const std::string& root)
      : FaultFileSystem(below, root), root_(root) {}

  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return FaultFileSystem::Open(Real(path), mode);
  }
  Result<FileInfo> Stat(const std::string& path) override {
    return FaultFileSystem::Stat(Real(path));
  }

 private:
  std::string Real(const std::string& path) const {
    const bool moved = path.starts_with("/etc/lookback") || path.starts_with("/var/lib/lookback");
    return moved ? root_ + path : path;
  }

  const std::string root_;
};

TEST(CommandLineUsageTest, AWrongLineIsOneSentenceAndExitCodeTwo) {
  for (const std::vector<const char*>& line : std::vector<std::vector<const char*>>{
           {},
           {"camera"},
           {"nonsense"},
           {"clip", "gate"},
           {"timeline", "gate", "--start", "x"},
           {"serve", "--listen", "nonsense"},
           {"serve", "--listen", "127.0.0.1:65536"},
           {"serve", "--listen", "::1:80"},
           {"camera", "add", "a", "rtsp://h/", "--password-file", "f"}}) {
    const Said said = RunLine(line);
    EXPECT_EQ(said.exit_code, 2) << said.err;
    EXPECT_THAT(said.err, testing::StartsWith("lookback: "));
    EXPECT_EQ(std::count(said.err.begin(), said.err.end(), '\n'), 1) << said.err;
    EXPECT_THAT(said.out, IsEmpty());
  }
}

TEST(CommandLineUsageTest, HelpNamesTheExitCodes) {
  const Said said = RunLine({"--help"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_THAT(said.out, HasSubstr("Exit codes: 0 ok"));
}

TEST(CommandLineUsageTest, HelpIsACommandToo) {
  EXPECT_EQ(RunLine({"help"}).out, RunLine({"--help"}).out);
  EXPECT_EQ(RunLine({"help", "camera", "add"}).out, RunLine({"camera", "add", "--help"}).out);
  EXPECT_THAT(RunLine({"help", "elephant"}).err, HasSubstr("has no command \"elephant\""));
}

TEST(CommandLineUsageTest, TheVersionIsAnOptionToo) {
  const Said option = RunLine({"--version"});
  EXPECT_EQ(option.exit_code, 0);
  EXPECT_EQ(option.out, RunLine({"version"}).out);
}

TEST(CommandLineUsageTest, TheManualHasEachCommandAndItsOptions) {
  const Said said = RunLine({"man"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_THAT(said.out, testing::StartsWith(".TH LOOKBACK 1 "));
  for (const char* words :
       {"\n.SS lookback serve\n", "\n.SS lookback camera set\n", "\\fB\\-o, \\-\\-output\\fR",
        "\\fB\\-\\-force\\fR\n", "\n.SH EXIT STATUS\n"}) {
    EXPECT_THAT(said.out, HasSubstr(words));
  }
}

TEST(CommandLineUsageTest, AStoreThatMayNotBeReadIsDeniedAndNotCalledSomethingElse) {
  const test::TempDir directory;
  const std::string data = directory.Path("data");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << "{}";
  ASSERT_EQ(::chmod(data.c_str(), 0), 0);
  // Root may read everything; `nobody` may not, but has to reach the directory.
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  const bool root = ::geteuid() == 0;
  ASSERT_EQ(root ? ::seteuid(65'534) : 0, 0);
  std::vector<Said> all;
  for (const char* command : {"fsck", "rebuild"}) {
    all.push_back(RunLine({command, "--data", data.c_str()}));
  }
  const std::string file = data + "/token";
  all.push_back(RunLine({"camera", "list", "--token-file", file.c_str()}));
  EXPECT_EQ(root ? ::seteuid(0) : 0, 0);
  ASSERT_EQ(::chmod(data.c_str(), 0700), 0);
  for (const Said& said : all) {
    EXPECT_EQ(said.exit_code, 4) << said.err;
    EXPECT_THAT(said.err, HasSubstr("Permission denied"));
  }
}

TEST(CommandLineUsageTest, WhoMayNotReadAStoreIsToldWhoMay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const test::TempDir directory;
  const std::string data = directory.Path("data");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << kStoreFile;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(data.c_str(), 0700), 0);
  ASSERT_EQ(::chmod((data + "/store.json").c_str(), 0600), 0);
  const auto as_nobody = [&](uid_t owner) {
    EXPECT_EQ(::chown(data.c_str(), owner, 0), 0);
    EXPECT_EQ(::seteuid(65'534), 0);
    Said said = RunLine({"backup", directory.path().c_str(), "--data", data.c_str()});
    EXPECT_EQ(::seteuid(0), 0);
    EXPECT_EQ(said.exit_code, 4);
    return said.err;
  };
  EXPECT_THAT(as_nobody(1), HasSubstr("owns " + data + ": runuser -u daemon -- lookback"));
  EXPECT_THAT(as_nobody(65'534), HasSubstr("`chown -R nobody: " + data + "`"));
  EXPECT_THAT(as_nobody(0), HasSubstr("run this as root"));
}

TEST(CommandLineUsageTest, AnEmptyDataDirectoryIsNoDefault) {
  for (std::vector<const char*> line : std::vector<std::vector<const char*>>{
           {"fsck"}, {"rebuild"}, {"backup", "."}, {"restore", "."}, {"serve"}, {"doctor"}}) {
    line.insert(line.end(), {"--data", ""});
    const Said said = RunLine(line);
    EXPECT_EQ(said.exit_code, 2) << line[0];
    EXPECT_THAT(said.err, HasSubstr("--data: names a directory")) << line[0];
  }
}

TEST(CommandLineUsageTest, ABackupMakesNoPlaceForItself) {
  const test::TempDir directory;
  const std::string data = directory.Path("data"), into = directory.Path("mnt/backups");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << kStoreFile;
  const Said said = RunLine({"backup", into.c_str(), "--data", data.c_str()});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("mkdir -p -m 0700 " + into));
  EXPECT_FALSE(std::filesystem::exists(directory.Path("mnt")));
}

TEST(CommandLineUsageTest, TheServicesStoreIsNamedToWhoNamedNone) {
  const test::TempDir home;
  for (const char* name : {"XDG_DATA_HOME", "STATE_DIRECTORY"}) ::unsetenv(name);
  const std::string before = std::getenv("HOME") == nullptr ? "/" : std::getenv("HOME");
  ::setenv("HOME", home.path().c_str(), 1);
  const auto posix = MakePosixFileSystem();
  PackagedMachine machine(*posix, home.path());
  const auto told = [&](std::vector<const char*> line, int exit_code) {
    const Said said = RunLine(std::move(line), machine);
    EXPECT_EQ(said.exit_code, exit_code);
    return said.err;
  };
  const auto no_hint = testing::Not(HasSubstr("did you mean"));
  EXPECT_THAT(told({"fsck"}, 3), no_hint);
  machine.Put("/var/lib/lookback/store.json", "");
  EXPECT_THAT(told({"fsck"}, 3), HasSubstr("did you mean --data /var/lib/lookback?"));
  EXPECT_THAT(told({"fsck", "--data", "/none"}, 3), no_hint);
  machine.Put("/etc/lookback/lookback.toml", "data = \"/srv/store\"\n");
  for (std::vector<const char*> line : std::vector<std::vector<const char*>>{
           {"fsck"}, {"rebuild"}, {"backup", home.path().c_str()}}) {
    EXPECT_THAT(told(line, 3), HasSubstr("did you mean --data /srv/store?")) << line[0];
  }
  if (::geteuid() == 0) {
    EXPECT_THAT(told({"restore", "."}, 2), HasSubstr("did you mean --data /srv/store?"));
    EXPECT_THAT(told({"rebuild", "--volume", "/none"}, 2), HasSubstr("by --data"));
    EXPECT_FALSE(std::filesystem::exists(home.Path(".local")));
    std::filesystem::create_directories(home.Path(".local/share/lookback"));
    std::ofstream(home.Path(".local/share/lookback/store.json")) << kStoreFile;
    EXPECT_THAT(told({"backup", "/none"}, 2),
                HasSubstr("warning: this is about the store in " +
                          home.Path(".local/share/lookback; did you mean --data /srv/store?")));
  }
  ::setenv("HOME", before.c_str(), 1);
}

TEST(CommandLineUsageTest, ALedgerIsSetApartOnlyWhereFilesAreToTakeItsPlace) {
  const test::TempDir directory;
  const Said said = RunLine({"rebuild", "--set-ledger-apart", "--data", directory.path().c_str()});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("--from-files"));
}

TEST(CommandLineUsageTest, ADirectoryThatIsNoStoreHasAnExitCodeOfItsOwn) {
  const test::TempDir directory;
  std::ofstream(directory.Path("file")) << "x";
  for (const char* command : {"fsck", "rebuild"}) {
    const Said said = RunLine({command, "--data", directory.path().c_str()});
    EXPECT_EQ(said.exit_code, 8);
    EXPECT_THAT(said.err, HasSubstr("not a store"));
    EXPECT_EQ(RunLine({command, "--data", directory.Path("none").c_str()}).exit_code, 3);
  }
}

}  // namespace
}  // namespace lookback::app
