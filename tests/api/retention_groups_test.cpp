// Groups of cameras over the API: whose policy holds, and what a change would delete, told before.
#include <gmock/gmock.h>

#include "storage/purger.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

constexpr char kPreview[] = "/api/v1/retention/preview";

// Two cameras with ten seconds each, three days old; `gate` is in group "lane".
class RetentionGroupsTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddCamera("yard");
    Patch("gate", {{"group", "lane"}});
    AddFootage("gate", test::kEvening, 10);
    AddFootage("yard", test::kEvening, 10);
    clock_.Advance(3 * kUsPerDay);
    purger_ = storage::Purger::Start(*store_, clock_, {});
    service_->SetPurger(purger_.get());
  }
  void TearDown() override {
    service_->SetPurger(nullptr);
    purger_.reset();
    ServiceTest::TearDown();
  }
  void Patch(const std::string& camera, const Json& body) {
    const auto response = Ask("PATCH", "/api/v1/cameras/" + camera, body);
    ASSERT_EQ(response.status, 200) << response.body;
  }
  net::HttpResponse Put(const std::string& scope, const Json& body) {
    return Ask("PUT", "/api/v1/retention/policies/" + scope, body);
  }
  Json Preview(const Json& change) {
    const auto response = Ask("POST", kPreview, change);
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  static std::vector<std::string> CamerasOf(const Json& preview) {
    std::vector<std::string> cameras;
    for (const Json& camera : preview["cameras"]) cameras.push_back(camera["camera"]);
    return cameras;
  }

  std::unique_ptr<storage::Purger> purger_;
};

TEST_F(RetentionGroupsTest, AGroupsPolicyHoldsForItsCamerasAlone) {
  EXPECT_EQ(Get("/api/v1/cameras/gate")["group"], "lane");
  EXPECT_TRUE(Get("/api/v1/cameras/yard")["group"].is_null());
  ASSERT_EQ(Put("group:lane", {{"max_days", 1}}).status, 200);
  EXPECT_THAT(CamerasOf(Preview({})), testing::ElementsAre("gate"));
  const auto round = purger_->RunOnce();
  ASSERT_TRUE(round) << round.message();
  const storage::RetentionPlan& plan = round->plan;
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.PolicyOf(plan.victims[0]), "group:lane/1");
}

TEST_F(RetentionGroupsTest, ACamerasOwnPolicyIsBeforeItsGroups) {
  ASSERT_EQ(Put("gate", {{"max_days", 30}}).status, 200);
  ASSERT_EQ(Put("group:lane", {{"max_days", 1}}).status, 200);
  EXPECT_THAT(CamerasOf(Preview({})), testing::IsEmpty());
  const Json removed = Preview({{"scope", "gate"}, {"remove", true}});
  EXPECT_THAT(CamerasOf(removed), testing::ElementsAre("gate"));
  EXPECT_EQ(removed["anyway"]["segments"], 0);
  EXPECT_EQ(Ask("DELETE", "/api/v1/retention/policies/gate").status, 204);
  EXPECT_THAT(CamerasOf(Preview({})), testing::ElementsAre("gate"));
}

TEST_F(RetentionGroupsTest, AMoveToAnotherGroupIsPreviewed) {
  ASSERT_EQ(Put("group:lane", {{"max_days", 1}}).status, 200);
  const Json moved = Preview({{"camera", "yard"}, {"group", "lane"}});
  EXPECT_THAT(CamerasOf(moved), testing::ElementsAre("gate", "yard"));
  EXPECT_EQ(moved["segments"], 2);
  EXPECT_EQ(moved["anyway"]["segments"], 1) << "what goes without the move is told apart";
  EXPECT_EQ(Preview({{"camera", "gate"}, {"group", nullptr}})["segments"], 0);
  EXPECT_EQ(ProblemIn(Ask("POST", kPreview, {{"camera", "gate"}, {"group", "No"}})), "bad-field");
}

TEST_F(RetentionGroupsTest, AGroupThatNobodyIsInHasNoPolicy) {
  EXPECT_EQ(ProblemIn(Put("group:gone", {{"max_days", 1}})), "unknown-group");
  EXPECT_EQ(ProblemIn(Put("group:A B", {{"max_days", 1}})), "bad-field");
  EXPECT_EQ(ProblemIn(Ask("DELETE", "/api/v1/retention/policies/group:lane")), "unknown-policy");
}

TEST_F(RetentionGroupsTest, AFleetTellsWhatItsPoliciesDelete) {
  const Json cameras = {{{"id", "gate"}, {"url", "rtsp://192.0.2.1/gate"}, {"group", "lane"}},
                        {{"id", "yard"}, {"url", "rtsp://192.0.2.1/yard"}, {"group", "lane"}}};
  const Json fleet = {{"cameras", cameras},
                      {"groups", {{{"name", "lane"}, {"policy", {{"max_days", 1}}}}}}};
  const auto dry = Ask("POST", "/api/v1/fleet?dry_run=1", fleet);
  ASSERT_EQ(dry.status, 200) << dry.body;
  const Json plan = Json::parse(dry.body);
  EXPECT_THAT(CamerasOf(plan["retention"]), testing::ElementsAre("gate", "yard"));
  EXPECT_EQ(plan["changes"].back()["name"], "group:lane");
  ASSERT_EQ(Ask("POST", "/api/v1/fleet", fleet).status, 200);
  EXPECT_THAT(CamerasOf(Preview({})), testing::ElementsAre("gate", "yard"));
  const Json again = Json::parse(Ask("POST", "/api/v1/fleet?dry_run=1", fleet).body);
  EXPECT_EQ(again["changes"].size(), 0u);
  EXPECT_TRUE(again["retention"].is_null());

  const auto wrong =
      Ask("POST", "/api/v1/fleet", {{"groups", {{{"name", "gone"}, {"policy", nullptr}}}}});
  EXPECT_EQ(ProblemIn(wrong), "bad-fleet");
  EXPECT_EQ(Json::parse(wrong.body)["faults"][0]["group"], 0);
}

}  // namespace
}  // namespace lookback::api
