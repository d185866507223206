// The page at "/": for who has no token yet, whole, and loading nothing from elsewhere.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/embedded_files.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PageTest : public ServiceTest {
 protected:
  net::HttpResponse AskAsStranger(const std::string& path, Headers headers = {}) {
    net::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.headers = std::move(headers);
    request.client = "192.0.2.9:50000";
    return service_->Handle(request);
  }
};

TEST_F(PageTest, AStrangerGetsThePageAndThatIsNoRefusedTry) {
  const auto page = AskAsStranger("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(HeaderOf(page, "Content-Type"), StartsWith("text/html"));
  EXPECT_TRUE(Acts().empty());
  // Nothing else opens by it.
  EXPECT_EQ(ProblemIn(AskAsStranger("/page/")), "unauthorized");
  EXPECT_EQ(ProblemIn(AskAsStranger("/page/../api/v1/status")), "unauthorized");
  EXPECT_EQ(ProblemIn(AskAsStranger("/index.html")), "unauthorized");
}

// What stands between each `before` and the next `after`.
std::vector<std::string> Between(const std::string& text, const std::string& before,
                                 const std::string& after) {
  std::vector<std::string> found;
  for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at)) {
    at += before.size();
    found.push_back(text.substr(at, text.find(after, at) - at));
  }
  return found;
}

bool IsWord(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

TEST_F(PageTest, EachFileThatThePageNamesIsThere) {
  int named = 0;
  for (const EmbeddedFile& file : PageFiles()) {
    for (const auto& [before, after] :
         {std::pair("src=\"", "\""), {"href=\"", "\""}, {"from '", "'"}}) {
      for (const std::string& path : Between(std::string(file.text), before, after)) {
        EXPECT_EQ(AskAsStranger(path).status, 200) << file.name << " names " << path;
        ++named;
      }
    }
  }
  EXPECT_GE(named, 6);
}

TEST_F(PageTest, NoScriptOrStyleStandsInItsTextAndNoOtherHost) {
  for (const EmbeddedFile& file : PageFiles()) {
    std::string text(file.text);
    // The name of a vocabulary, which nobody loads.
    const size_t svg = text.find("http://www.w3.org/2000/svg");
    if (svg != std::string::npos) text.erase(svg, 26);
    EXPECT_EQ(text.find("http:"), std::string::npos) << file.name;
    EXPECT_EQ(text.find("https:"), std::string::npos) << file.name;
    for (const std::string& host : Between(text, "//", ".")) {
      EXPECT_FALSE(IsWord(host)) << file.name << " names the host " << host;
    }
    if (file.name.ends_with(".js")) continue;
    for (const char* taboo : {" style=", "<style", "javascript:", "eval("}) {
      EXPECT_EQ(text.find(taboo), std::string::npos) << file.name << " has " << taboo;
    }
    for (const std::string& handler : Between(text, " on", "=")) {
      EXPECT_FALSE(IsWord(handler)) << file.name << " has on" << handler << "=";
    }
    for (const std::string& script : Between(text, "<script", ">")) {
      EXPECT_THAT(script, HasSubstr(" src="));
    }
  }
}

TEST_F(PageTest, WhatDidNotChangeIsNotSentAgain) {
  const auto first = AskAsStranger("/page/page.js");
  EXPECT_THAT(HeaderOf(first, "Content-Type"), StartsWith("text/javascript"));
  const auto again = AskAsStranger("/page/page.js", {{"if-none-match", HeaderOf(first, "ETag")}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(AskAsStranger("/page/page.js", {{"if-none-match", "\"x\""}}).status, 200);
  const auto listed = AskAsStranger(
      "/page/page.js", {{"if-none-match", "\"x\""}, {"if-none-match", HeaderOf(first, "ETag")}});
  EXPECT_EQ(listed.status, 304);
}

}  // namespace
}  // namespace lookback::api
