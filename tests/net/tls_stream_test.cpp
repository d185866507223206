// TLS against OpenSSL's own server side, with certificates made here.
#include "net/tls_stream.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <thread>

namespace lookback::net {
namespace {

using testing::HasSubstr;

// One connection, served on a thread: shakes hands, sends what it is told, reads until the end.
class TlsServer {
 public:
  explicit TlsServer(std::string greeting) : greeting_(std::move(greeting)) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that are gone.
    context_ = SSL_CTX_new(TLS_server_method());
    EVP_PKEY* key = EVP_EC_gen("P-256");
    certificate_ = X509_new();
    X509_set_version(certificate_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 3'600);
    X509_set_pubkey(certificate_, key);
    X509_NAME* name = X509_get_subject_name(certificate_);
    const std::string common = "a camera";
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate_, name);
    X509_sign(certificate_, key, EVP_sha256());
    EXPECT_EQ(SSL_CTX_use_certificate(context_, certificate_), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, key), 1);
    EVP_PKEY_free(key);

    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, raw, length), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    EXPECT_EQ(getsockname(listener_, raw, &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsServer() {
    Join();
    X509_free(certificate_);
    SSL_CTX_free(context_);
    close(listener_);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  uint16_t port() const { return port_; }
  Sha256Digest fingerprint() const {
    unsigned char* der = nullptr;
    const int length = i2d_X509(certificate_, &der);
    const Sha256Digest digest = Sha256({der, static_cast<size_t>(length)});
    OPENSSL_free(der);
    return digest;
  }
  // What the client sent, once it is gone.
  std::string Join() {
    if (thread_.joinable()) {
      shutdown(listener_, SHUT_RD);
      thread_.join();
    }
    return received_;
  }

 private:
  void Serve() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
      for (size_t at = 0; at < greeting_.size(); at += 10'000) {
        const std::string piece = greeting_.substr(at, 10'000);
        if (SSL_write(ssl, piece.data(), static_cast<int>(piece.size())) <= 0) break;
      }
      char text[256];
      int count = 0;
      while ((count = SSL_read(ssl, text, sizeof text)) > 0) {
        received_.append(text, static_cast<size_t>(count));
      }
    }
    SSL_free(ssl);
    close(fd);
  }

  const std::string greeting_;
  SSL_CTX* context_ = nullptr;
  X509* certificate_ = nullptr;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::string received_;
  std::thread thread_;
};

class TlsStreamTest : public testing::Test, protected Stream::Handler {
 protected:
  void OnConnected() override {
    connected_ = true;
    if (on_connected) on_connected();
  }
  void OnBytes(ByteSpan bytes) override {
    received_ += AsText(bytes);
    if (on_bytes) on_bytes();
  }
  void OnClosed(const Error& error) override {
    closed_ = error;
    loop_.Stop();
  }
  void Connect(uint16_t port, const std::string& policy) {
    Stream::Handler& handler = *this;
    stream_ = std::make_unique<TlsStream>(loop_, "127.0.0.1", port,
                                          TlsPolicy::Parse(policy).value(), buffer_, handler);
  }
  static std::string PinOf(const TlsServer& server) {
    return "pin:" + FingerprintText(server.fingerprint());
  }

  Loop loop_;
  Bytes buffer_ = Bytes(64 << 10);
  std::unique_ptr<TlsStream> stream_;
  std::function<void()> on_connected;
  std::function<void()> on_bytes;
  bool connected_ = false;
  std::string received_;
  Error closed_;
};

TEST_F(TlsStreamTest, APinnedPeerIsBelievedAndBytesGoBothWays) {
  TlsServer server("answer");
  on_connected = [&] { ASSERT_TRUE(stream_->Write("question")); };
  on_bytes = [&] {
    if (received_ != "answer") return;
    EXPECT_EQ(stream_->endpoints()->peer.port, server.port());
    stream_.reset();
    loop_.Stop();
  };
  Connect(server.port(), PinOf(server));
  loop_.Run();
  EXPECT_EQ(received_, "answer");
  EXPECT_EQ(server.Join(), "question");
}

TEST_F(TlsStreamTest, AnUnknownCertificateIsRefusedAndTheErrorSaysWhatToPin) {
  TlsServer server("answer");
  Connect(server.port(), "verify");
  loop_.Run();
  EXPECT_FALSE(connected_);
  EXPECT_EQ(closed_.code, Code::kDenied);
  EXPECT_THAT(closed_.message, HasSubstr("self-signed certificate"));
  EXPECT_THAT(closed_.message, HasSubstr(PinOf(server)));
  stream_.reset();
  EXPECT_EQ(server.Join(), "");  // Nothing of ours was sent.
}

TEST_F(TlsStreamTest, AnotherCertificateThanThePinnedIsRefused) {
  TlsServer server("answer");
  Connect(server.port(), "pin:" + std::string(64, 'a'));
  loop_.Run();
  EXPECT_FALSE(connected_);
  EXPECT_EQ(closed_.code, Code::kDenied);
  EXPECT_THAT(closed_.message, HasSubstr("not the pinned certificate"));
  EXPECT_THAT(closed_.message, HasSubstr(PinOf(server)));
}

TEST_F(TlsStreamTest, InsecureTakesAnyCertificate) {
  TlsServer server("answer");
  on_bytes = [&] { loop_.Stop(); };
  Connect(server.port(), "insecure");
  loop_.Run();
  EXPECT_TRUE(connected_);
  stream_.reset();
}

TEST_F(TlsStreamTest, OnDemandOneReadTakesAllThatHasArrived) {
  const std::string burst(300'000, 'x');
  TlsServer server(burst);
  size_t read_bytes = 0;
  Timer later(loop_);
  on_connected = [&] {
    stream_->ReadOnDemand();
    later.Every(1'000, [&] {
      while (true) {
        const auto count = stream_->Read(buffer_);
        ASSERT_TRUE(count) << count.message();
        read_bytes += *count;
        if (*count < buffer_.size()) break;
      }
      if (read_bytes + received_.size() == burst.size()) loop_.Stop();
    });
  };
  Connect(server.port(), "insecure");
  loop_.Run();
  EXPECT_EQ(read_bytes + received_.size(), burst.size());
  stream_.reset();
}

TEST_F(TlsStreamTest, APeerThatSpeaksNoTlsIsFoundOut) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener, raw, length), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, raw, &length), 0);
  std::thread peer([listener] {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    (void)send(fd, "RTSP/1.0 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
    char text[4'096];
    while (read(fd, text, sizeof text) > 0) {
    }
    close(fd);
  });
  Connect(ntohs(address.sin_port), "insecure");
  loop_.Run();
  peer.join();
  close(listener);
  EXPECT_EQ(closed_.code, Code::kUnavailable);
  EXPECT_EQ(closed_.message, "TLS handshake failed: wrong version number");
}

TEST_F(TlsStreamTest, AStreamMayBeDestroyedFromItsOwnCallback) {
  TlsServer server("answer");
  on_connected = [&] {
    stream_.reset();
    loop_.Stop();
  };
  Connect(server.port(), "insecure");
  loop_.Run();
  EXPECT_TRUE(connected_);
}

TEST(TlsPolicy, IsReadAndWritten) {
  const std::string pin = "pin:" + std::string(62, '0') + "aF";
  EXPECT_EQ(TlsPolicy::Parse("")->text(), "verify");
  EXPECT_EQ(TlsPolicy::Parse("insecure")->text(), "insecure");
  const auto parsed = TlsPolicy::Parse(pin);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->pin[31], 0xaf);
  EXPECT_THAT(parsed->text(), testing::EndsWith(":00:AF"));
  EXPECT_EQ(TlsPolicy::Parse(parsed->text())->pin, parsed->pin);
  for (const char* bad : {"trust", "pin:", "pin:00", "pin:zz", "VERIFY"}) {
    EXPECT_EQ(TlsPolicy::Parse(bad).code(), Code::kInvalid) << bad;
  }
}

}  // namespace
}  // namespace lookback::net
