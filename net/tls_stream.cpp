#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "net/tcp_stream.h"

namespace lookback::net {
namespace {

// Of encrypted bytes taken from the kernel at a time, on demand: two of the largest records.
constexpr size_t kCipherPieceBytes = 32 << 10;
// Of those, for one call of Read(): records may be empty, and then fill no buffer ever.
constexpr size_t kMaxCipherPerRead = 1 << 20;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

// One context for every connection: it is never changed after it is made, and holds the
// authorities that the machine trusts.
SSL_CTX* SharedContext() {
  static SSL_CTX* const kContext = [] {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    LB_CHECK(context != nullptr);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // A second handshake could bring another certificate, which nobody would look at.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // Between reads a camera costs little.
    // The handshake goes through whatever the certificate, so that a refusal can show it.
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return context;
  }();
  return kContext;
}

std::string TakeOpensslError() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  const char* reason = first == 0 ? nullptr : ERR_reason_error_string(first);
  return reason ? reason : "protocol error";
}

}  // namespace

class TlsStream::Session : public Stream::Handler,
                           public std::enable_shared_from_this<TlsStream::Session> {
 public:
  Session(const std::string& host, const TlsPolicy& policy, std::span<uint8_t> buffer,
          Handler& handler)
      : policy_(policy), buffer_(buffer), handler_(&handler), ssl_(SSL_new(SharedContext())) {
    LB_CHECK(ssl_ != nullptr);
    // The connection owns both.
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    if (SocketAddress::Parse(host, 0)) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
    } else {
      SSL_set1_host(ssl_.get(), host.c_str());
      // What the macro SSL_set_tlsext_host_name() says, without its cast.
      SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(host.c_str()));
    }
  }

  void Connect(Loop& loop, const std::string& host, uint16_t port) {
    Stream::Handler& events = *this;
    tcp_ = std::make_unique<TcpStream>(loop, host, port, buffer_, events);
  }

  void Close() {
    handler_ = nullptr;
    if (ready_) {
      SSL_shutdown(ssl_.get());
      (void)Flush();
    }
    tcp_.reset();
  }

  Status Write(const std::string& bytes) {
    if (!ready_) return Fail(Code::kUnavailable, "the connection is closed");
    size_t written = 0;
    // A memory BIO takes all there is.
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) {
      return Fail(Code::kUnavailable, "TLS: " + TakeOpensslError());
    }
    return Flush();
  }

  void ReadOnDemand() {
    cipher_.resize(kCipherPieceBytes);
    if (tcp_) tcp_->ReadOnDemand();
  }

  Result<size_t> Read(std::span<uint8_t> buffer) {
    if (!tcp_ || !ready_) return Fail(Code::kUnavailable, "the connection is closed");
    size_t total = 0, cipher = 0;
    while (total < buffer.size() && cipher < kMaxCipherPerRead) {
      const auto plain = Decrypt(buffer.subspan(total));
      if (!plain) {
        if (total > 0) break;  // It is said at the next call.
        return Pass(plain.error());
      }
      total += *plain;
      if (*plain > 0) continue;
      const auto count = tcp_->Read(cipher_);
      if (!count) {
        if (total > 0) break;
        return Pass(count.error());
      }
      if (*count == 0) break;
      cipher += *count;
      Give(ByteSpan(cipher_).first(*count));
    }
    return total;
  }

  Result<Endpoints> endpoints() const {
    if (!tcp_) return Fail(Code::kUnavailable, "the connection is closed");
    return tcp_->endpoints();
  }

 private:
  void OnConnected() override { Shake(); }

  void OnBytes(ByteSpan bytes) override {
    const auto self = shared_from_this();  // The handler may destroy the stream.
    Give(bytes);
    if (!ready_ && !Shake()) return;
    while (handler_) {
      const auto plain = Decrypt(buffer_);
      if (!plain) return End(plain.error());
      if (*plain == 0) return;
      handler_->OnBytes(ByteSpan(buffer_).first(*plain));
    }
  }

  void OnClosed(const Error& error) override { End(error); }

  // True once the handshake is done and the peer is who it should be.
  bool Shake() {
    const auto self = shared_from_this();
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ) {
      const std::string reason = TakeOpensslError();
      (void)Flush();  // The alert that tells the peer.
      End({Code::kUnavailable, "TLS handshake failed: " + reason});
      return false;
    }
    if (const Status sent = Flush(); !sent) {
      End(sent.error());
      return false;
    }
    if (why == SSL_ERROR_WANT_READ) return false;
    if (const Status trusted = CheckCertificate(); !trusted) {
      End(trusted.error());
      return false;
    }
    ready_ = true;
    handler_->OnConnected();
    return handler_ != nullptr;
  }

  Status CheckCertificate() {
    if (policy_.check == TlsPolicy::Check::kInsecure) return Ok();
    const std::unique_ptr<X509, FreeCertificate> certificate(SSL_get1_peer_certificate(ssl_.get()));
    Sha256Digest digest{};
    unsigned length = 0;
    if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest.data(), &length) != 1) {
      return Fail(Code::kDenied, "TLS: the other side shows no certificate");
    }
    const std::string seen = "pin:" + FingerprintText(digest);
    if (policy_.check == TlsPolicy::Check::kPin) {
      if (digest == policy_.pin) return Ok();
      return Fail(Code::kDenied, "TLS: not the pinned certificate; the other side shows " + seen +
                                     ": either it was renewed, or this is another device");
    }
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict == X509_V_OK) return Ok();
    return Fail(Code::kDenied, std::string("TLS: the certificate is not trusted (") +
                                   X509_verify_cert_error_string(verdict) +
                                   "); if the device itself shows the same fingerprint, trust it "
                                   "by setting tls to " +
                                   seen);
  }

  void Give(ByteSpan cipher) {
    // A memory BIO grows; what it holds is bounded by what is read before the next Decrypt().
    BIO_write(SSL_get_rbio(ssl_.get()), cipher.data(), static_cast<int>(cipher.size()));
  }

  // As much as one record gives; 0: more encrypted bytes are needed.
  Result<size_t> Decrypt(std::span<uint8_t> plain) {
    ERR_clear_error();
    size_t count = 0;
    const int done = SSL_read_ex(ssl_.get(), plain.data(), plain.size(), &count);
    if (const Status sent = Flush(); !sent) return Pass(sent.error());  // A key update's answer.
    if (done == 1) return count;
    switch (SSL_get_error(ssl_.get(), done)) {
      case SSL_ERROR_WANT_READ:
        return size_t{0};
      case SSL_ERROR_ZERO_RETURN:
        return Fail(Code::kUnavailable, "the other side closed the connection");
      default:
        return Fail(Code::kUnavailable, "TLS: " + TakeOpensslError());
    }
  }

  Status Flush() {
    BIO* out = SSL_get_wbio(ssl_.get());
    const size_t waiting = BIO_ctrl_pending(out);
    if (waiting == 0) return Ok();
    if (!tcp_) return Fail(Code::kUnavailable, "the connection is closed");
    std::string bytes(waiting, '\0');
    BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return tcp_->Write(std::move(bytes));
  }

  void End(const Error& error) {
    tcp_.reset();
    ready_ = false;
    if (handler_) std::exchange(handler_, nullptr)->OnClosed(error);
  }

  const TlsPolicy policy_;
  const std::span<uint8_t> buffer_;
  Handler* handler_;  // Null once the stream is destroyed or has ended.
  const std::unique_ptr<SSL, FreeSsl> ssl_;
  bool ready_ = false;
  Bytes cipher_;
  std::unique_ptr<TcpStream> tcp_;
};

TlsStream::TlsStream(Loop& loop, const std::string& host, uint16_t port, const TlsPolicy& policy,
                     std::span<uint8_t> buffer, Handler& handler)
    : session_(std::make_shared<Session>(host, policy, buffer, handler)) {
  session_->Connect(loop, host, port);
}

TlsStream::~TlsStream() { session_->Close(); }

Status TlsStream::Write(std::string bytes) { return session_->Write(bytes); }

void TlsStream::ReadOnDemand() { session_->ReadOnDemand(); }

Result<size_t> TlsStream::Read(std::span<uint8_t> buffer) { return session_->Read(buffer); }

Result<Stream::Endpoints> TlsStream::endpoints() const { return session_->endpoints(); }

}  // namespace lookback::net
