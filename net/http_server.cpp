#include "net/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

#include "base/log.h"
#include "net/http_connection.h"
#include "net/tls_certificate.h"

namespace lookback::net {
namespace {

constexpr int kBacklog = 512;
constexpr int64_t kSweepUs = 1'000'000;  // How often deadlines are looked at.
// A request in hand has at most one task with the pool; streams that were reset may leave some.
constexpr size_t kMaxSpareTasks = 1'024;

struct Listening {
  int socket = -1;
  uint16_t port = 0;
};

Result<Listening> Listen(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    return Fail(Code::kInvalid,
                fmt::format("cannot listen on \"{}\": {}", host, gai_strerror(status)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, kBacklog) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return Fail(Code::kUnavailable,
                fmt::format("cannot listen on {}:{}: {}", host, port, std::strerror(error)));
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
  const uint16_t bound_port = bound.ss_family == AF_INET6
                                  ? ntohs(reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port)
                                  : ntohs(reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  return Listening{fd, bound_port};
}

class Server final : public HttpServer {
 public:
  Server(Loop& loop, const Options& options, HttpHandler handler, Listening listening)
      : core_(std::make_shared<Core>(loop, options, std::move(handler), listening)) {
    // The listener is made on the loop's thread, whether that runs already or not.
    loop.Post([core = core_] { core->Open(); });
  }

  ~Server() override {
    core_->shared->pool.Stop();
    core_->CloseAll();
  }

  uint16_t port() const override { return core_->listening.port; }

  void Stop(int64_t grace_us, std::function<void()> done) override {
    core_->Stop(grace_us, std::move(done));
  }

 private:
  struct Core : std::enable_shared_from_this<Core> {
    std::shared_ptr<HttpShared> shared;
    Listening listening;
    uv_tcp_t* listener = nullptr;  // Freed in its close callback.
    std::unique_ptr<Timer> sweep;
    std::unique_ptr<Timer> grace;
    std::unique_ptr<Timer> look;  // At the certificate.
    std::map<HttpConnection*, std::shared_ptr<HttpConnection>> connections;
    std::function<void()> done;
    bool closed = false;

    Core(Loop& loop, const Options& options, HttpHandler handler, Listening where)
        : shared(new HttpShared{
              loop, options, std::move(handler),
              WorkerPool("http", options.workers, options.limits.requests + kMaxSpareTasks)}),
          listening(where) {
      shared->on_closed = [this](HttpConnection* connection) { Forget(connection); };
    }

    void Open() {
      if (closed || listening.socket < 0) return;
      listener = new uv_tcp_t;
      LB_CHECK(uv_tcp_init(shared->loop.uv(), listener) == 0);
      listener->data = this;
      LB_CHECK(uv_tcp_open(listener, std::exchange(listening.socket, -1)) == 0);
      const int status = uv_listen(reinterpret_cast<uv_stream_t*>(listener), kBacklog,
                                   [](uv_stream_t* stream, int error) {
                                     auto* core = static_cast<Core*>(stream->data);
                                     if (core != nullptr && error == 0) core->OnConnection(stream);
                                   });
      if (status != 0) LogError("http", fmt::format("cannot accept: {}", uv_strerror(status)));
      sweep = std::make_unique<Timer>(shared->loop);
      sweep->Every(kSweepUs, [this] { Sweep(); });
      const auto certificate = shared->options.certificate;
      if (!certificate) return;
      look = std::make_unique<Timer>(shared->loop);
      look->Every(kCertificateLookUs, [this, certificate] {
        (void)shared->pool.Post([certificate] { certificate->Reload(); });
      });
    }

    void OnConnection(uv_stream_t* stream) {
      auto connection = HttpConnection::Accept(shared, stream);
      if (!connection) return;
      const size_t most = shared->options.limits.connections;
      // Closed by its own end, unheard.
      if (connections.size() >= most + kMaxRefused) return;
      const bool full = connections.size() >= most && !CloseLongestWaiting();
      connections.emplace(connection.get(), connection);
      if (full) {
        connection->Refuse(
            {503, "busy", fmt::format("at most {} connections are served at once", most)});
      } else {
        connection->Start();
      }
    }

    // Makes room for a newcomer; false when each connection has a request in hand.
    bool CloseLongestWaiting() {
      std::shared_ptr<HttpConnection> longest;
      uint64_t first = UINT64_MAX;
      for (const auto& [key, connection] : connections) {
        const uint64_t turn = connection->waiting_turn();
        if (turn >= first) continue;
        first = turn;
        longest = connection;
      }
      if (longest) longest->Close();
      return longest != nullptr;
    }

    void Forget(HttpConnection* connection) {
      const auto found = connections.find(connection);
      if (found == connections.end()) return;
      connections.erase(found);  // Whoever called it holds it until that call returned.
      if (connections.empty() && done) shared->loop.Post(std::exchange(done, nullptr));
    }

    void Sweep() {
      const uint64_t now_ms = uv_now(shared->loop.uv());
      for (const auto& connection : All()) connection->CheckDeadline(now_ms);
    }

    std::vector<std::shared_ptr<HttpConnection>> All() const {
      std::vector<std::shared_ptr<HttpConnection>> all;
      for (const auto& [key, connection] : connections) all.push_back(connection);
      return all;
    }

    void CloseListener() {
      closed = true;
      if (listening.socket >= 0) close(std::exchange(listening.socket, -1));
      if (listener == nullptr) return;
      listener->data = nullptr;
      uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(listener, nullptr)),
               [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
    }

    void Stop(int64_t grace_us, std::function<void()> on_done) {
      CloseListener();
      shared->stopping = true;
      for (const auto& connection : All()) connection->Drain();
      if (connections.empty()) {
        shared->loop.Post(std::move(on_done));
        return;
      }
      done = std::move(on_done);
      grace = std::make_unique<Timer>(shared->loop);
      grace->Once(grace_us, [this] {
        for (const auto& connection : All()) connection->Close();
      });
    }

    void CloseAll() {
      done = nullptr;
      CloseListener();
      sweep.reset();
      look.reset();
      grace.reset();
      for (const auto& connection : All()) connection->Close();
      shared->on_closed = nullptr;
    }

    // Beyond the limit so many may still be told why; more are just closed.
    static constexpr size_t kMaxRefused = 64;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Loop& loop, const Options& options,
                                                      HttpHandler handler) {
  // Writing to a client that went is an error to handle, not a signal to die of.
  std::signal(SIGPIPE, SIG_IGN);
  LB_TRY_ASSIGN(listening, Listen(options.host, options.port));
  return std::make_unique<Server>(loop, options, std::move(handler), listening);
}

}  // namespace lookback::net
