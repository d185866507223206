// Volumes over the API: added, drained and removed by admins alone, and on record with who did it.
#include <filesystem>
#include <fstream>

#include "storage/volume.h"
#include "tests/api/service_fixture.h"
#include "tests/support/await.h"

namespace lookback::api {
namespace {

class VolumesTest : public ServiceTest {
 protected:
  Json VolumeAt(const std::string& root) {
    const Json all = Get("/api/v1/volumes");
    for (const Json& volume : all["volumes"]) {
      if (volume["root"] == root) return volume;
    }
    return {};
  }
  net::HttpResponse Add(const std::string& root) {
    return Ask("POST", "/api/v1/volumes", {{"root", root}});
  }
  static std::string PathOf(const Json& volume) {
    return "/api/v1/volumes/" + volume["id"].get<std::string>();
  }
  std::string FirstRoot() { return store_->volumes().front()->root(); }
};

TEST_F(VolumesTest, OneIsAddedDrainedAndRemoved) {
  const std::string root = dir_.Path("second");
  std::filesystem::create_directory(root);
  const auto added = Add(root);
  ASSERT_EQ(added.status, 201) << added.body;
  const Json volume = Json::parse(added.body);
  EXPECT_EQ(volume["root"], root);
  EXPECT_EQ(volume["state"], "online");
  EXPECT_EQ(volume["draining"], false);
  EXPECT_NE(volume["warning"].get<std::string>().find("same file system"), std::string::npos);
  EXPECT_EQ(ProblemIn(Add(root)), "volume-exists");
  EXPECT_EQ(ProblemIn(Ask("DELETE", PathOf(volume))), "volume-in-use");

  const auto drained = Ask("POST", PathOf(volume) + "/drain");
  ASSERT_EQ(drained.status, 200) << drained.body;
  EXPECT_EQ(Json::parse(drained.body)["draining"], true);
  EXPECT_EQ(ProblemIn(Ask("POST", PathOf(VolumeAt(FirstRoot())) + "/drain")), "last-volume");
  EXPECT_EQ(Json::parse(Ask("POST", PathOf(volume) + "/undrain").body)["draining"], false);
  EXPECT_EQ(Ask("POST", PathOf(volume) + "/drain").status, 200);
  EXPECT_EQ(ProblemIn(Ask("DELETE", PathOf(volume) + "?lost=1")), "volume-in-use");
  EXPECT_EQ(Ask("DELETE", PathOf(volume)).status, 204);
  EXPECT_TRUE(VolumeAt(root).is_null());
  EXPECT_EQ(ProblemIn(Ask("DELETE", PathOf(volume))), "unknown-volume");

  std::vector<std::string> told;
  for (const index::Act& act : Acts()) {
    if (act.kind == index::ActKind::kSetting) told.push_back(act.person + ": " + act.what);
  }
  // The newest first; what was refused is not among them.
  const std::string who = std::string(kAdminName) + ": volume ";
  EXPECT_EQ(told,
            (std::vector{who + "remove " + root, who + "drain " + root, who + "undrain " + root,
                         who + "drain " + root, who + "add " + root}));
}

TEST_F(VolumesTest, WhatIsRefusedSaysWhy) {
  EXPECT_EQ(ProblemIn(Add("relative")), "bad-volume-root");
  const auto absent = Add(dir_.Path("absent"));
  EXPECT_EQ(ProblemIn(absent), "bad-volume-root");
  EXPECT_NE(absent.body.find("there is no directory"), std::string::npos);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/volumes/none/drain")), "unknown-volume");
  EXPECT_EQ(ProblemIn(Ask("DELETE", "/api/v1/volumes/" + Uuid::Random().text())), "unknown-volume");
  EXPECT_EQ(Ask("POST", "/api/v1/volumes", {{"path", "/x"}}).status, 400);
}

TEST_F(VolumesTest, WhatIsNoPlaceForAVolumeIsToldByWhatItIs) {
  const auto detail = [&](const std::string& root) {
    const auto response = Add(root);
    EXPECT_EQ(ProblemIn(response), "bad-volume-root");
    return Json::parse(response.body)["detail"].get<std::string>();
  };
  const std::string data = dir_.Path("data");
  std::ofstream(dir_.Path("file")) << "x";
  EXPECT_EQ(detail(dir_.Path("file")),
            dir_.Path("file") + " is a file, and a volume is a directory");
  for (const std::string& root : {data, dir_.Path("link-to-data")}) {
    std::filesystem::create_directory_symlink(data, dir_.Path("link-to-data"));
    EXPECT_EQ(detail(root).find(root + " is the data directory of a store"), 0u) << detail(root);
    std::filesystem::remove(dir_.Path("link-to-data"));
  }
  std::filesystem::create_directory_symlink(FirstRoot(), dir_.Path("link"));
  EXPECT_EQ(detail(dir_.Path("link")), dir_.Path("link") + " leads to " + FirstRoot() +
                                           ", which is a volume of this store already");
}

TEST_F(VolumesTest, WhoIsNoAdminMayLookAndChangeNothing) {
  const Headers plain = {{"authorization", "Bearer " + TokenOfPlainUser("li.wei")}};
  EXPECT_EQ(Ask("GET", "/api/v1/volumes", {}, plain).status, 200);
  const std::string path = PathOf(VolumeAt(FirstRoot()));
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/volumes", {{"root", "/x"}}, plain)), "forbidden");
  for (const std::string verb : {"/drain", "/undrain"}) {
    EXPECT_EQ(ProblemIn(Ask("POST", path + verb, {}, plain)), "forbidden");
  }
  EXPECT_EQ(ProblemIn(Ask("DELETE", path, {}, plain)), "forbidden");
}

TEST_F(VolumesTest, WhoWritesThereAndWhatItHoldsIsTold) {
  AddCamera("gate");
  AddCamera("yard");
  AddFootage("yard", test::kEvening, 10);
  // A count of the volumes' own thread that the clock runs over rests for long.
  ASSERT_TRUE(test::Await([&] {
    clock_.Advance(kUsPerHour);
    store_->LookForVolumes();
    return VolumeAt(FirstRoot())["counted"] == FormatTime(clock_.NowUs());
  }));
  AddFootage("gate", test::kEvening, 10, /*open=*/true);
  const Json volume = VolumeAt(FirstRoot());
  EXPECT_EQ(volume["cameras"], Json::array({"gate"}));
  EXPECT_EQ(volume["segments"], 1);
  EXPECT_GT(volume["bytes"], 0);
  EXPECT_EQ(volume["held_segments"], 0);
  EXPECT_EQ(volume["held_bytes"], 0);
}

}  // namespace
}  // namespace lookback::api
