// The service behind its server, as a client on the wire (libcurl) sees both.
#include <curl/curl.h>

#include <filesystem>
#include <future>
#include <thread>

#include "net/http_server.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

class TransportTest : public ServiceTest {
 protected:
  struct Answer {
    long status = 0;
    std::string headers;
    std::string body;
    CURLcode result = CURLE_OK;
  };

  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 120);
    net::HttpServer::Options options;
    options.port = 0;
    auto server = net::HttpServer::Start(
        loop_, options, [this](const net::HttpRequest& r) { return service_->Handle(r); });
    ASSERT_TRUE(server) << server.message();
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.Post([this] { server_->Stop(0, [this] { loop_.Stop(); }); });
      thread_.join();
    }
    server_.reset();
    ServiceTest::TearDown();
  }

  static size_t Append(char* data, size_t size, size_t count, void* text) {
    static_cast<std::string*>(text)->append(data, size * count);
    return size * count;
  }

  Answer Fetch(const std::string& path, const std::string& range = {}, bool head = false) {
    Answer answer;
    CURL* curl = curl_easy_init();
    curl_slist* headers = curl_slist_append(nullptr, ("Authorization: Bearer " + token_).c_str());
    const std::string url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Append);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.headers);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (!range.empty()) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
    if (head) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    answer.result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
  }

  net::Loop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

// Cuts every segment file in two; how many there were.
size_t HalveSegments(const std::string& volume) {
  size_t cut = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(volume)) {
    if (entry.path().extension() != ".mp4") continue;
    std::filesystem::resize_file(entry.path(), entry.file_size() / 2);
    ++cut;
  }
  return cut;
}

constexpr char kSentClip[] =
    "/api/v1/cameras/gate/clip.mp4?start=2026-05-05T06:00:00+08:00&end=2026-05-04T22:02:00Z";

TEST_F(TransportTest, AClipArrivesWholeAndItsPiecesAreTheSameBytes) {
  const Answer whole = Fetch(kSentClip);
  ASSERT_EQ(whole.result, CURLE_OK);
  ASSERT_EQ(whole.status, 200) << whole.body;
  ASSERT_GT(whole.body.size(), net::kBodyPieceBytes * 2);
  std::string joined;
  const size_t step = 300'001;
  for (size_t at = 0; at < whole.body.size(); at += step) {
    const Answer piece = Fetch(kSentClip, std::to_string(at) + "-" + std::to_string(at + step - 1));
    ASSERT_EQ(piece.status, 206);
    joined += piece.body;
  }
  EXPECT_EQ(joined, whole.body);
  const Answer head = Fetch(kSentClip, "", /*head=*/true);
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.headers.find("Content-Length: " + std::to_string(whole.body.size()) + "\r\n"),
            std::string::npos);
  EXPECT_TRUE(head.body.empty());
}

TEST_F(TransportTest, ADamagedFileCutsTheTransferShort) {
  // Plans the clip, then takes the file from under it.
  ASSERT_EQ(Fetch(kSentClip, "0-9").status, 206);
  const std::string volume = store_->volumes().at(0)->root();
  std::promise<size_t> halved;
  // On the loop's thread: libuv closes sockets by a raw system call, so ThreadSanitizer would take
  // a descriptor of the same number on this thread for the socket.
  loop_.Post([&] { halved.set_value(HalveSegments(volume)); });
  const size_t cut = halved.get_future().get();
  ASSERT_GE(cut, 1u);
  const Answer answer = Fetch(kSentClip, "0-");
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.result, CURLE_PARTIAL_FILE);
}

TEST_F(TransportTest, ManyClientsAtOnceAllGetTheirs) {
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 4; ++j) right += Fetch(kSentClip, "1000-2000").body.size() == 1001;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace lookback::api
