// The server under each version of HTTP, as curl sees it, and under clients
// that are slow or greedy.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "net/http_server.h"
#include "net/tls_certificate.h"
#include "tests/support/shell.h"

namespace lookback::net {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::string& text) { (void)send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  size_t Read(size_t most) {
    std::string piece(most, '\0');
    const ssize_t count = recv(fd_, piece.data(), piece.size(), 0);
    if (count > 0) seen_.append(piece, 0, static_cast<size_t>(count));
    return count > 0 ? static_cast<size_t>(count) : 0;
  }
  // Until the server ends it.
  std::string ReadAll() {
    while (Read(65'536) > 0) {
    }
    return seen_;
  }
  std::string ReadUntil(const std::string& end) {
    while (seen_.find(end) == std::string::npos && Read(4'096) > 0) {
    }
    return seen_;
  }

 private:
  int fd_;
  std::string seen_;
};

// `size` bytes, each the low byte of its offset.
class Counting : public HttpBody {
 public:
  explicit Counting(size_t size) : size_(size) {}
  Result<size_t> Read(std::span<uint8_t> into) override {
    const size_t count = std::min(into.size(), size_ - at_);
    for (size_t i = 0; i < count; ++i) into[i] = static_cast<uint8_t>(at_ + i);
    at_ += count;
    return count;
  }

 private:
  size_t size_;
  size_t at_ = 0;
};

class HttpLimitsTest : public ::testing::Test {
 protected:
  static constexpr size_t kStreamBytes = 8 << 20;

  void StartServer(const HttpLimits& limits = {}, bool tls = false) {
    HttpServer::Options options;
    options.port = 0;
    options.limits = limits;
    if (tls) {
      test::Shell(
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 "
          "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout " +
          directory_.Path("key") + " -out " + directory_.Path("crt"));
      auto certificate =
          TlsCertificate::Open(*files_, clock_, {directory_.Path("crt"), directory_.Path("key")});
      ASSERT_TRUE(certificate) << certificate.message();
      options.certificate = *certificate;
    }
    auto server = HttpServer::Start(loop_, options, Handle);
    ASSERT_TRUE(server) << server.message();
    server_ = std::move(*server);
    scheme_ = tls ? "https" : "http";
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.Post([this] { server_->Stop(0, [this] { loop_.Stop(); }); });
      thread_.join();
    }
    server_.reset();
  }

  static HttpResponse Handle(const HttpRequest& request) {
    HttpResponse response;
    if (request.path == "/echo") response.body = request.method + " " + request.body;
    if (request.path == "/cookie") response.body = request.Header("cookie");
    if (request.path == "/json") {
      response.headers = {{"Content-Type", "application/json"}};
      response.body = std::string(50'000, ' ') + "{}";
    }
    if (request.path.starts_with("/stream")) {
      response.stream = std::make_unique<Counting>(kStreamBytes);
      response.stream_bytes = request.path == "/stream-unknown" ? -1 : kStreamBytes;
    }
    return response;
  }

  std::string Curl(const std::string& options, const std::string& path) const {
    return test::Shell("curl -sS --noproxy '*' --cacert " + directory_.Path("crt") + " " + options +
                       " " + scheme_ + "://127.0.0.1:" + std::to_string(server_->port()) + path);
  }
  std::string StreamDigest() const {
    return test::Shell("python3 -c 'import hashlib; print(hashlib.sha256(bytes(range(256)) * " +
                       std::to_string(kStreamBytes / 256) + ").hexdigest())'");
  }
  std::string Digest(const std::string& options, const std::string& path) const {
    const std::string said = Curl(options + " -o " + directory_.Path("out"), path);
    return said + test::Shell("sha256sum " + directory_.Path("out") + " | cut -d' ' -f1");
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  SystemClock clock_;
  Loop loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::string scheme_;
};

TEST_F(HttpLimitsTest, BothVersionsGiveTheSameBytesOverTls) {
  StartServer({}, /*tls=*/true);
  EXPECT_THAT(Curl("--http2 -w ' %{http_version} %{ssl_verify_result}' -d hi", "/echo"),
              "POST hi 2 0");
  EXPECT_THAT(Curl("--http1.1 -w ' %{http_version}' -d hi", "/echo"), "POST hi 1.1");
  EXPECT_EQ(Digest("--http2", "/stream"), StreamDigest());
  EXPECT_EQ(Digest("--http1.1", "/stream"), StreamDigest());
  EXPECT_EQ(Digest("--http2", "/stream-unknown"), StreamDigest());
  EXPECT_EQ(Digest("--http1.1", "/stream-unknown"), StreamDigest());
}

TEST_F(HttpLimitsTest, OldVersionsOfTlsAreRefused) {
  StartServer({}, /*tls=*/true);
  EXPECT_THAT(Curl("--tls-max 1.1 --tlsv1.0 --ciphers DEFAULT@SECLEVEL=0", "/echo"),
              StartsWith("curl: (35)"));
  EXPECT_EQ(Curl("--tls-max 1.2", "/echo"), "GET ");
}

TEST_F(HttpLimitsTest, PlainHttpOnATlsPortIsToldSo) {
  StartServer({}, /*tls=*/true);
  RawClient client(server_->port());
  client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), HasSubstr("https://"));
}

TEST_F(HttpLimitsTest, Http2NeedsNoTlsForWhoKnowsIt) {
  StartServer();
  EXPECT_EQ(Curl("--http2-prior-knowledge -w ' %{http_version}' -d hi", "/echo"), "POST hi 2");
  EXPECT_EQ(Digest("--http2-prior-knowledge", "/stream"), StreamDigest());
  EXPECT_THAT(Curl("--http2-prior-knowledge -I", "/stream"),
              HasSubstr("content-length: 8388608\r\n"));
  const std::string big = directory_.Write("big", Bytes(1'000'000, 'x'));
  EXPECT_EQ(Curl("--http2-prior-knowledge -o /dev/null -w '%{size_download}' --data-binary @" + big,
                 "/echo"),
            std::to_string(1'000'000 + 5));
}

TEST_F(HttpLimitsTest, ManyStreamsShareOneConnection) {
  StartServer({}, /*tls=*/true);
  std::string urls;
  const std::string url = "https://127.0.0.1:" + std::to_string(server_->port()) + "/stream";
  for (int i = 0; i < 20; ++i) urls += " -o /dev/null " + url;
  // So many new connections, and so many bytes, each transfer says.
  const std::string said = Curl(
      "--http2 -Z -w '%{num_connects} %{size_download}\\n'" + urls + " -o /dev/null", "/stream");
  size_t whole = 0;
  for (size_t at = said.find(" 8388608\n"); at != std::string::npos;
       at = said.find(" 8388608\n", at + 1)) {
    ++whole;
  }
  EXPECT_EQ(whole, 21u) << said;
}

TEST_F(HttpLimitsTest, RefusalsAreTheSameInBothVersions) {
  StartServer();
  const std::string big = directory_.Write("big", Bytes((1 << 20) + 1, 'x'));
  for (const std::string version : {"--http1.1 ", "--http2-prior-knowledge "}) {
    const std::string status = version + "-o /dev/null -w '%{http_code}' ";
    EXPECT_THAT(Curl(status + "-H 'Expect:' --data-binary @" + big, "/echo"), HasSubstr("413"));
    EXPECT_EQ(Curl(status + "--path-as-is", "/a/../b"), "400");
    EXPECT_EQ(Curl(status, "/a%2f..%2fb"), "400");
    EXPECT_EQ(Curl(status, "/a%00b"), "400");
    EXPECT_EQ(Curl(status, "/a%5cb"), "400");
    EXPECT_EQ(Curl(status + "-H 'X-Long: " + std::string(20'000, 'a') + "'", "/echo"), "431");
    EXPECT_THAT(Curl(version + "--compressed -i", "/json"), HasSubstr("gzip"));
    EXPECT_THAT(Curl(version + "-i", "/a/../b"), HasSubstr("osniff"));
    EXPECT_EQ(Curl(version + "-H 'Cookie: a=1; b=2'", "/cookie"), "a=1; b=2");
  }
}

TEST_F(HttpLimitsTest, AtTheLimitWhoHasWaitedLongestMakesRoom) {
  HttpLimits limits;
  limits.connections = 8;
  StartServer(limits);
  std::vector<std::unique_ptr<RawClient>> idle;
  for (size_t i = 0; i < limits.connections; ++i) {
    idle.push_back(std::make_unique<RawClient>(server_->port()));
    idle.back()->Send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    idle.back()->ReadUntil("GET ");
  }
  RawClient late(server_->port());
  late.Send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(late.ReadUntil("GET "), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(idle.front()->ReadAll(), HasSubstr("200 OK"));  // And then its end.
  idle.back()->Send("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(idle.back()->ReadAll(), HasSubstr("Connection: close"));
}

TEST_F(HttpLimitsTest, WhereAllAreBusyANewcomerIsTold) {
  HttpLimits limits;
  limits.connections = 2;
  StartServer(limits);
  std::vector<std::unique_ptr<RawClient>> busy;
  for (size_t i = 0; i < limits.connections; ++i) {
    busy.push_back(std::make_unique<RawClient>(server_->port(), 4'096));
    busy.back()->Send("GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    busy.back()->ReadUntil("\r\n\r\n");
  }
  EXPECT_THAT(RawClient(server_->port()).ReadAll(), StartsWith("HTTP/1.1 503 "));
  for (auto& client : busy) EXPECT_GE(client->ReadAll().size(), kStreamBytes);
}

TEST_F(HttpLimitsTest, ASlowHeadAndASlowBodyAreToldAndEnded) {
  HttpLimits limits;
  limits.head_ms = 1;
  limits.body_ms = 1;
  StartServer(limits);
  RawClient head(server_->port());
  head.Send("GET / HTTP/1.1\r\nX: ");
  EXPECT_THAT(head.ReadAll(), StartsWith("HTTP/1.1 408 "));
  RawClient body(server_->port());
  body.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_THAT(body.ReadAll(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpLimitsTest, AnIdleConnectionAndASilentHandshakeEnd) {
  HttpLimits limits;
  limits.idle_ms = 1;
  limits.head_ms = 1;
  StartServer(limits, /*tls=*/true);
  EXPECT_EQ(RawClient(server_->port()).ReadAll(), "");
}

TEST_F(HttpLimitsTest, APatientReaderIsKeptAndAStandingOneIsNot) {
  HttpLimits limits;
  limits.stall_ms = 2'500;
  StartServer(limits);
  const std::string ask = "GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  RawClient patient(server_->port(), 4'096);
  RawClient standing(server_->port(), 4'096);
  patient.Send(ask);
  standing.Send(ask);
  // It takes twice the limit for a part of the stream, little by little.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(6);
  size_t taken = 0;
  while (std::chrono::steady_clock::now() < until) {
    taken += patient.Read(8'192);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_LT(taken, kStreamBytes);
  EXPECT_GT(patient.ReadAll().size(), kStreamBytes);
  EXPECT_LT(standing.ReadAll().size(), kStreamBytes);
}

TEST_F(HttpLimitsTest, WhoAsksAndTakesBackWithoutEndIsSentAway) {
  StartServer();
  const auto frame = [](char type, char flags, uint32_t stream, const std::string& payload) {
    std::string bytes = {0, 0, static_cast<char>(payload.size()), type, flags};
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(stream >> shift);
    return bytes + payload;
  };
  constexpr char kHeaders = 1, kReset = 3, kSettings = 4;
  RawClient client(server_->port());
  client.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, ""));
  // GET http://h/echo in HPACK, and CANCEL.
  const std::string head = "\x82\x86\x04\x05/echo\x01\x01h";
  const std::string cancel(std::string("\0\0\0\x08", 4));
  for (uint32_t i = 0; i < 1'000; ++i) {
    client.Send(frame(kHeaders, 5, 2 * i + 1, head) + frame(kReset, 0, 2 * i + 1, cancel));
  }
  // A GOAWAY of eight bytes, ENHANCE_YOUR_CALM in its last.
  const std::string seen = client.ReadAll();
  const size_t goaway = seen.find(std::string("\0\0\x08\x07\0\0\0\0\0", 9));
  ASSERT_NE(goaway, std::string::npos);
  EXPECT_EQ(seen.substr(goaway + 13, 4), std::string("\0\0\0\x0b", 4));
}

TEST_F(HttpLimitsTest, BodiesOnTheirWayAreBoundedTogether) {
  HttpLimits limits;
  limits.body_bytes = 100'000;
  StartServer(limits);
  const std::string big = directory_.Write("big", Bytes(150'000, 'x'));
  const std::string fits = directory_.Write("fits", Bytes(90'000, 'x'));
  for (const std::string version : {"--http1.1 ", "--http2-prior-knowledge "}) {
    const std::string status =
        version + "-o /dev/null -w '%{http_code}' -H Expect: --data-binary @";
    // Over HTTP/2 the stream is reset behind the answer (RFC 9113 §8.1), and curl 7.88
    // may tell of that alone.
    EXPECT_THAT(Curl(status + big, "/echo"), AnyOf(HasSubstr("503"), HasSubstr("curl: (92)")));
    // What was refused takes no room afterwards, nor what was answered.
    EXPECT_EQ(Curl(status + fits, "/echo"), "200");
    EXPECT_EQ(Curl(status + fits, "/echo"), "200");
  }
}

}  // namespace
}  // namespace lookback::net
