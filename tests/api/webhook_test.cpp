// The webhook against an HTTP server of the test's, on a clock that the test moves.
#include "api/webhook.h"

#include <curl/curl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "tests/apps/lookback/test_server.h"
#include "tests/support/shell.h"

namespace lookback::api {
namespace {

using test::Shell;

class WebhookTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { curl_global_init(CURL_GLOBAL_DEFAULT); }

  std::unique_ptr<Webhook> Open(const std::string& path = "/alarms") {
    auto webhook = Webhook::Open({server_.url() + path, "a secret"}, clock_);
    EXPECT_TRUE(webhook) << webhook.message();
    return std::move(*webhook);
  }
  net::HttpResponse Handle(const net::HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request);
    net::HttpResponse response;
    response.status = 204;
    if (!answers_.empty()) {
      response.status = answers_.front();
      answers_.erase(answers_.begin());
    }
    if (response.status == 302) response.headers = {{"Location", "/elsewhere"}};
    arrived_.notify_all();
    return response;
  }
  std::vector<net::HttpRequest> Asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<net::HttpRequest> asked_;
  std::vector<int> answers_;
  ManualClock clock_{1'777'932'000 * kUsPerSecond};
  app::TestServer server_{[this](const net::HttpRequest& request) { return Handle(request); }};
};

TEST_F(WebhookTest, WhatWaitsGoesToANewAddressAtOnceUnderItsSecret) {
  answers_ = {503};
  const auto webhook = Open();
  webhook->Post(R"({"event": 1})");
  EXPECT_EQ(webhook->Work(), kUsPerSecond);
  webhook->Use({server_.url() + "/elsewhere", ""});
  webhook->Work();
  ASSERT_EQ(Asked().size(), 2u);
  EXPECT_EQ(Asked()[1].path, "/elsewhere");
  EXPECT_EQ(Asked()[1].Header("x-lookback-signature"), "");
  EXPECT_EQ(webhook->counters().delivered, 1u);
}

TEST_F(WebhookTest, WithoutAnAddressNobodyIsToldAndNothingWaits) {
  answers_ = {503};
  const auto webhook = Open();
  webhook->Post("{}");
  webhook->Work();
  EXPECT_TRUE(webhook->on());
  webhook->Use({});
  EXPECT_FALSE(webhook->on());
  webhook->Post("{}");
  EXPECT_EQ(webhook->counters().waiting, 0u);
  webhook->Use({server_.url() + "/alarms", ""});
  webhook->Work();
  EXPECT_EQ(Asked().size(), 1u);
}

TEST_F(WebhookTest, AFailingReceiverIsAskedAgainAndThenTakesAllInOrder) {
  answers_ = {503, 500};
  const auto webhook = Open();
  webhook->Post(R"({"event": 1})");
  webhook->Post(R"({"event": 2})");
  EXPECT_EQ(webhook->Work(), kUsPerSecond);
  EXPECT_EQ(webhook->Work(), kUsPerSecond);  // Not before its time.
  EXPECT_EQ(Asked().size(), 1u);
  clock_.Advance(kUsPerSecond);
  EXPECT_EQ(webhook->Work(), 2 * kUsPerSecond);
  clock_.Advance(2 * kUsPerSecond);
  webhook->Work();
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_EQ(asked[0].body, asked[2].body);
  EXPECT_EQ(asked[0].Header("x-lookback-delivery"), asked[2].Header("x-lookback-delivery"));
  EXPECT_EQ(asked[3].body, R"({"event": 2})");
  EXPECT_EQ(asked[3].method, "POST");
  EXPECT_EQ(asked[3].Header("content-type"), "application/json");
  EXPECT_EQ(webhook->counters().delivered, 2u);
  EXPECT_EQ(webhook->counters().failed_tries, 2u);
  EXPECT_EQ(webhook->counters().waiting, 0u);
}

TEST_F(WebhookTest, TheSignatureIsTheOneThatOpensslMakes) {
  const auto webhook = Open();
  const std::string body = R"({"what": "began", "sentence": "市场"})";
  webhook->Post(body);
  webhook->Work();
  ASSERT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Asked()[0].body, body);
  const test::TemporaryDirectory directory;
  const std::string file = directory.Write("body", AsBytes(body));
  const std::string digest = Shell("openssl dgst -sha256 -hmac 'a secret' < " + file);
  const std::string signature(Asked()[0].Header("x-lookback-signature"));
  ASSERT_TRUE(signature.starts_with("sha256="));
  EXPECT_THAT(digest, testing::HasSubstr("= " + signature.substr(7) + "\n"));
}

TEST_F(WebhookTest, ARefusalAndARedirectAreDroppedAndCounted) {
  answers_ = {400, 302};
  const auto webhook = Open();
  webhook->Post("{}");
  webhook->Post("{}");
  webhook->Post("{}");
  webhook->Work();
  EXPECT_EQ(Asked().size(), 3u);
  for (const auto& request : Asked()) EXPECT_EQ(request.path, "/alarms");
  EXPECT_EQ(webhook->counters().dropped, 2u);
  EXPECT_EQ(webhook->counters().delivered, 1u);
}

TEST_F(WebhookTest, WhatNobodyTakesIsGivenUpAfterAnHour) {
  answers_.assign(1'000, 503);
  const auto webhook = Open();
  webhook->Post("{}");
  int64_t waited_us = 0;
  while (webhook->counters().dropped == 0) {
    const int64_t wait_us = webhook->Work();
    if (webhook->counters().dropped > 0) break;
    EXPECT_LE(wait_us, Webhook::kMaxWaitUs);
    clock_.Advance(wait_us);
    waited_us += wait_us;
    ASSERT_LT(waited_us, 2 * kUsPerHour);
  }
  EXPECT_GE(waited_us, Webhook::kGiveUpUs);
  EXPECT_LE(waited_us, Webhook::kGiveUpUs + Webhook::kMaxWaitUs);
  EXPECT_LT(Asked().size(), 25u);
}

TEST_F(WebhookTest, TooManyThatWaitPushTheOldestOut) {
  const auto webhook = Open();
  for (size_t i = 0; i < Webhook::kMaxWaiting + 3; ++i) webhook->Post(std::to_string(i));
  EXPECT_EQ(webhook->counters().dropped, 3u);
  EXPECT_EQ(webhook->counters().waiting, Webhook::kMaxWaiting);
  webhook->Work();
  EXPECT_EQ(Asked().front().body, "3");
}

TEST_F(WebhookTest, ItsThreadDeliversByItself) {
  const auto webhook = Open();
  webhook->Start();
  webhook->Post("{}");
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return !asked_.empty(); }));
}

TEST(WebhookUrl, WhatCanNeverWorkIsRefused) {
  ManualClock clock(kUsPerSecond);
  EXPECT_FALSE(Webhook::CheckUrl(""));
  for (const char* url : {"alarms.example", "ftp://a/b", "http://", "https:///x",
                          "http://user:secret@host/", "http://a b/", "file:///etc/passwd"}) {
    const auto webhook = Webhook::Open({url, ""}, clock);
    EXPECT_FALSE(webhook) << url;
    if (webhook) continue;
    EXPECT_THAT(webhook.message(), testing::Not(testing::HasSubstr("secret@")));
  }
  EXPECT_TRUE(Webhook::Open({"https://alarms.example/in?x=1", ""}, clock));
}

}  // namespace
}  // namespace lookback::api
