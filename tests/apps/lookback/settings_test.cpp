#include "apps/lookback/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "api/imports.h"
#include "apps/lookback/command.h"
#include "apps/lookback/settings_file.h"
#include "recorder/recorder.h"
#include "storage/scrubber.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(SettingsTest, DefaultsAreThoseOfThePartsAndAreInOrder) {
  const Settings defaults;
  EXPECT_EQ(defaults.max_import_gib, int64_t{api::kMaxImportBytes >> 30});
  EXPECT_EQ(defaults.scrub_interval_days, storage::kScrubIntervalUs / kUsPerDay);
  EXPECT_EQ(defaults.scrub_mib_per_second, int64_t{storage::kScrubBytesPerSecond >> 20});
  EXPECT_EQ(defaults.max_container_cameras,
            int64_t(recorder::Recorder::Options{}.max_container_cameras));
  EXPECT_THAT(Problems(defaults), IsEmpty());
}

TEST(SettingsTest, EachIsNamedOnceAndSaysWhatHoldsWithoutIt) {
  std::set<std::string> keys;
  std::set<std::string_view> options;
  const Settings defaults;
  for (const Setting& setting : AllSettings()) {
    EXPECT_TRUE(keys.insert(setting.key()).second) << setting.key();
    EXPECT_TRUE(options.insert(setting.option).second) << setting.option;
    const std::string value = WrittenValue(setting, defaults);
    EXPECT_EQ(value == "\"\"" || value == "[]", !setting.when_unset.empty()) << setting.key();
  }
}

TEST(SettingsTest, WhereTheStoreIsWithoutASettingIsSaidInTheOrderInWhichItIsLookedFor) {
  const std::string_view said = AllSettings().front().when_unset;
  ASSERT_EQ(AllSettings().front().key(), "data");
  setenv("HOME", "/home/wang", 1);
  setenv("XDG_DATA_HOME", "/xdg", 1);
  setenv("STATE_DIRECTORY", "/state", 1);
  size_t before = 0;
  for (const auto& [name, path] : std::vector<std::pair<const char*, std::string>>{
           {"STATE_DIRECTORY", "/state"}, {"XDG_DATA_HOME", "/xdg/lookback"}}) {
    EXPECT_EQ(*DefaultDataDirectory(), path);
    EXPECT_GT(said.find(name), before) << name;
    before = said.find(name);
    unsetenv(name);
  }
  EXPECT_EQ(*DefaultDataDirectory(), "/home/wang/.local/share/lookback");
  EXPECT_GT(said.find("~/.local/share/lookback"), before);
}

TEST(SettingsTest, AnAddressOrARangeOfPortsThatIsNoneIsAProblemOfItsSetting) {
  for (const char* listen : {"nonsense", "127.0.0.1:65536", "::1:80", ":80", ""}) {
    Settings settings;
    settings.listen = listen;
    const auto problems = Problems(settings);
    ASSERT_EQ(problems.size(), 1u) << listen;
    EXPECT_EQ(problems[0].setting->key(), "http.listen");
    EXPECT_THAT(problems[0].text, HasSubstr("HOST:PORT"));
  }
  for (const char* ports : {"20000", "20000-", "20001-20002", "0-10", "20000-99999"}) {
    Settings settings;
    settings.udp_ports = ports;
    EXPECT_EQ(Problems(settings).size(), 1u) << ports;
  }
}

TEST(SettingsTest, WhatNeedsAnotherIsAProblemWithoutIt) {
  Settings settings;
  settings.tls_certificate = "a.crt";
  settings.webhook_secret_file = "secret";
  const auto problems = Problems(settings);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].setting->key(), "http.tls_certificate");
  EXPECT_THAT(problems[0].text, HasSubstr("http.tls_key"));
  EXPECT_THAT(problems[1].text, HasSubstr("alarms.webhook"));
}

TEST(SettingsTest, AHomeThatNoShellFillsInAndAVolumeThatIsNamedTwiceAreProblems) {
  Settings settings;
  settings.data = "~/store";
  settings.volumes = {"/srv/a", "/srv/b", "/srv/a/", "/srv/./b", "~root/c"};
  const auto problems = Problems(settings);
  ASSERT_EQ(problems.size(), 4u);
  EXPECT_EQ(problems[0].setting->key(), "data");
  EXPECT_THAT(problems[0].text, HasSubstr("write the whole path"));
  EXPECT_EQ(problems[1].element, 2u);
  EXPECT_THAT(problems[1].text, HasSubstr("\"/srv/a/\" is named before, as \"/srv/a\""));
  EXPECT_EQ(problems[2].element, 3u);
  EXPECT_EQ(problems[3].element, 4u);
  settings.data = "./~/store";
  settings.volumes = {"/srv/a", "/srv/ab"};
  EXPECT_THAT(Problems(settings), IsEmpty());
}

class SettingsFileTest : public testing::Test {
 protected:
  SettingsFile Read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    auto file = ReadSettingsFile(*files_, path_);
    EXPECT_TRUE(file) << file.message();
    return file ? *std::move(file) : SettingsFile{};
  }
  // "LINE:COLUMN TEXT" of each.
  static std::vector<std::string> Told(const SettingsFile& file) {
    std::vector<std::string> told;
    for (const FileFault& fault : file.faults) {
      told.push_back(std::to_string(fault.at.line) + ":" + std::to_string(fault.at.column) + " " +
                     fault.text);
    }
    return told;
  }

  const test::TempDir directory_;
  const std::string path_ = directory_.Path("lookback.toml");
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
};

TEST_F(SettingsFileTest, AnEmptyDataDirectoryInAFileIsNoDefault) {
  const SettingsFile file = Read("\ndata = \"\"\ntoken_file = \"\"\n");
  ASSERT_EQ(file.faults.size(), 1u);
  EXPECT_EQ(file.faults[0].at.line, 2u);
  EXPECT_THAT(file.faults[0].text, HasSubstr("data names a directory"));
}

TEST_F(SettingsFileTest, AFileSetsWhatItSaysAndLeavesTheRest) {
  const SettingsFile file = Read(R"(data = "/var/lib/lookback"
volumes = ["/srv/a", "b"]

[http]
listen = "[::1]:443"
tls_key = "tls.key"
stop_grace_s = 30

[scrub]
interval_days = 0
)");
  EXPECT_THAT(Told(file), IsEmpty());
  EXPECT_EQ(file.settings.data, "/var/lib/lookback");
  EXPECT_THAT(file.settings.volumes, ElementsAre("/srv/a", directory_.Path("b")));
  EXPECT_EQ(file.settings.listen, "[::1]:443");
  EXPECT_EQ(file.settings.tls_key, directory_.Path("tls.key")) << "beside the file";
  EXPECT_EQ(file.settings.stop_grace_s, 30);
  EXPECT_EQ(file.settings.scrub_interval_days, 0);
  EXPECT_EQ(file.settings.max_import_gib, Settings{}.max_import_gib);
  EXPECT_EQ(file.positions.at("http.stop_grace_s"), (FilePosition{7, 16}));
  EXPECT_EQ(file.positions.size(), 6u);
}

TEST_F(SettingsFileTest, WhatIsUnknownIsToldWithItsPlaceAndWhatWasMeant) {
  const SettingsFile file = Read(R"(listen = "127.0.0.1:1"
[htpp]
listen = "127.0.0.1:1"
[http]
tls_cerificate = "a"
  colour = 1
)");
  EXPECT_THAT(
      Told(file),
      ElementsAre("1:1 \"listen\" is no setting; there is http.listen",
                  "2:2 \"htpp\" is no table; did you mean http?",
                  "5:1 \"http.tls_cerificate\" is no setting; did you mean tls_certificate?",
                  "6:3 \"http.colour\" is no setting; lookback.toml(5) lists what there is"));
}

TEST_F(SettingsFileTest, AValueOfAnotherKindIsToldWithWhatIsAllowed) {
  const SettingsFile file = Read(R"(data = 3
volumes = "/srv/a"
http = 1
[scrub]
interval_days = "30"
mib_per_second = 1.5
)");
  EXPECT_THAT(Told(file), ElementsAre("1:8 data is a text in quotes",
                                      "2:11 volumes is a list of texts in quotes",
                                      "3:1 http is a table: [http]",
                                      "5:17 scrub.interval_days is a whole number, 0 to 3650",
                                      "6:18 scrub.mib_per_second is a whole number, 1 to 100000"));
  EXPECT_EQ(file.settings.scrub_interval_days, Settings{}.scrub_interval_days);
}

TEST_F(SettingsFileTest, WhatIsNoTomlIsToldWithItsPlaceAndChangesNothing) {
  for (const auto& [text, place] :
       std::vector<std::pair<std::string, std::string>>{{"data = \"a\nb\"", "1:"},
                                                        {"\n\n[http\n", "3:"},
                                                        {"data = \"a\"\ndata = \"b\"\n", "2:"},
                                                        {std::string("data = \"\0\"", 10), "1:"}}) {
    const SettingsFile file = Read(text);
    ASSERT_EQ(file.faults.size(), 1u) << text;
    EXPECT_THAT(Told(file)[0], testing::StartsWith(place)) << text;
    EXPECT_TRUE(file.settings.data.empty());
  }
}

TEST_F(SettingsFileTest, ATextWithoutQuotesIsToldSoWithAnExample) {
  for (const auto& [text, told] : std::vector<std::pair<std::string, std::string>>{
           {"# mine\ndata = /var/lib\n",
            "2:8 data is a text in quotes: data = \"/var/lib/lookback\""},
           {"[http]\n\tlisten=0.0.0.0:8686",
            "2:9 listen is a text in quotes: listen = \"0.0.0.0:8686\""},
           {"volumes = [ /srv/a ]\n",
            "1:13 volumes is a list of texts in quotes: volumes = [\"/srv/footage1\", "
            "\"/srv/footage2\"]"},
           {"volumes = /srv/a\n",
            "1:11 volumes is a list of texts in quotes: volumes = [\"/srv/footage1\", "
            "\"/srv/footage2\"]"}}) {
    EXPECT_THAT(Told(Read(text)), ElementsAre(told));
  }
  EXPECT_THAT(Told(Read("[http]\nstop_grace_s = 5 s\n"))[0], testing::Not(HasSubstr("quotes")));
}

TEST_F(SettingsFileTest, WhereAListsOwnElementsStandIsKnown) {
  const SettingsFile file = Read("volumes = [\"/srv/a\",\n  \"~/b\", \"/srv/a\"]\n");
  EXPECT_THAT(file.settings.volumes, ElementsAre("/srv/a", "~/b", "/srv/a")) << "~ is no name";
  const auto problems = Problems(file.settings);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(file.PositionOf(problems[0]), (FilePosition{2, 3}));
  EXPECT_EQ(file.PositionOf(problems[1]), (FilePosition{2, 10}));
}

TEST_F(SettingsFileTest, AFileThatIsTooLongOrAbsentIsAnError) {
  std::ofstream(path_) << std::string(kMaxSettingsFileBytes + 1, '#');
  EXPECT_FALSE(ReadSettingsFile(*files_, path_));
  const auto none = ReadSettingsFile(*files_, directory_.Path("none"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.code(), Code::kNotFound);
  EXPECT_THAT(none.message(), HasSubstr("`lookback serve --print-config > FILE`"));
}

TEST_F(SettingsFileTest, AWrittenFileReadsBackAsWhatItWasMadeOf) {
  EXPECT_THAT(Read(SettingsFileText({})).positions, IsEmpty()) << "all as by default";
  Settings settings;
  settings.data = "/a \"b\"\\\t\x01";
  settings.volumes = {"/x", "/市场"};
  settings.listen = "0.0.0.0:8686";
  settings.scrub_mib_per_second = 7;
  const SettingsFile file = Read(SettingsFileText(settings));
  EXPECT_THAT(Told(file), IsEmpty());
  EXPECT_EQ(file.positions.size(), 4u);
  for (const Setting& setting : AllSettings()) {
    EXPECT_EQ(WrittenValue(setting, file.settings), WrittenValue(setting, settings));
  }
}

TEST_F(SettingsFileTest, TheExampleOfEachSettingIsAllowed) {
  for (const Setting& setting : AllSettings()) {
    const std::string table = setting.table.empty() ? "" : "[" + std::string(setting.table) + "]\n";
    const SettingsFile file =
        Read(table + std::string(setting.name) + " = " + std::string(setting.example) + "\n");
    EXPECT_THAT(Told(file), IsEmpty()) << setting.key();
    for (const SettingProblem& problem : Problems(file.settings)) {
      EXPECT_THAT(problem.text, testing::StartsWith("needs ")) << setting.key();
    }
  }
}

}  // namespace
}  // namespace lookback::app
