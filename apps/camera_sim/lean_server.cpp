#include "apps/camera_sim/lean_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <random>

#include "apps/camera_sim/sei.h"

namespace lookback::camera_sim {
namespace {

constexpr uint32_t kPictureTicks = 3'600;  // Of 90 kHz.
constexpr int64_t kSenderReportUs = 5 * kUsPerSecond;
constexpr int64_t kStaggerUs = 7'001;     // From one camera to the next, modulo a picture.
constexpr uint64_t kSpreadPictures = 37;  // From one camera's place in the clip to the next one's.
constexpr size_t kMaxRequestBytes = 16 << 10;
constexpr int kBacklog = 1'024;
constexpr int kTickMs = 1;
constexpr int64_t kNtpEpochS = 2'208'988'800;  // From 1900 to 1970.

struct Connection {
  int fd = -1;
  std::string peer;
  std::string request;
  Bytes waiting;         // What the socket did not take.
  uint32_t camera = 0;   // From 1; 0: not asked for yet.
  bool playing = false;  // Pictures are sent.
  bool over = false;     // Its client is gone, or too slow; closed once nothing uses it.
  uint64_t picture = 0;  // The next, since the server began.
  PacketStamp stamp;
  int64_t next_report_us = 0;
  int64_t drop_us = 0;   // When it is dropped; 0: never.
  int64_t close_us = 0;  // Dropped: when its connection ends.
  uint32_t sent_packets = 0;
  uint32_t sent_octets = 0;
};

std::string HeaderOf(std::string_view request, std::string_view name) {
  const size_t at = request.find("\r\n" + std::string(name) + ": ");
  if (at == std::string_view::npos) return {};
  const size_t begin = at + name.size() + 4;
  return std::string(request.substr(begin, request.find("\r\n", begin) - begin));
}

class Server final : public LeanServer {
 public:
  Server(const PacketClip& clip, const Options& options, FrameLog* log, Counters& counters,
         const Clock& clock)
      : LeanServer(options),
        clip_(clip),
        log_(log),
        counters_(counters),
        clock_(clock),
        random_(options.seed),
        began_us_(clock.MonotonicUs()) {}

  ~Server() override {
    for (const auto& [fd, connection] : connections_) close(fd);
    if (epoll_ >= 0) close(epoll_);
    if (listener_ >= 0) close(listener_);
  }

  Status Open() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener_ < 0) return tl::unexpected(SystemError(errno, "socket", "rtsp"));
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(options_.port);
    socklen_t length = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, raw, length) != 0 || listen(listener_, kBacklog) != 0 ||
        getsockname(listener_, raw, &length) != 0) {
      return Fail(Code::kUnavailable, fmt::format("port {} of 127.0.0.1 cannot be had: {}",
                                                  options_.port, std::strerror(errno)));
    }
    port_ = ntohs(address.sin_port);
    return {};
  }

  uint16_t port() const override { return port_; }

  void Run(int stop) override {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    Watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
    if (stop >= 0) Watch(stop, EPOLLIN, EPOLL_CTL_ADD);
    epoll_event events[64];
    while (!stopping_ || !connections_.empty()) {
      const int count = epoll_wait(epoll_, events, 64, kTickMs);
      for (int i = 0; i < count; ++i) {
        if (stop >= 0 && events[i].data.fd == stop) {
          BeginStop(stop);
        } else {
          Serve(events[i]);
        }
      }
      const int64_t now_us = clock_.MonotonicUs();
      for (auto at = connections_.begin(); at != connections_.end();) {
        Connection& connection = (at++)->second;
        if (connection.playing) SendDue(connection, now_us);
        if (connection.close_us != 0 && connection.close_us <= now_us) connection.over = true;
        if (connection.over) Close(connection);
      }
    }
  }

 private:
  void Watch(int fd, uint32_t what, int how) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    (void)epoll_ctl(epoll_, how, fd, &event);
  }

  void BeginStop(int stop) {
    stopping_ = true;
    Watch(stop, 0, EPOLL_CTL_DEL);
    Watch(listener_, 0, EPOLL_CTL_DEL);
    for (auto& [fd, connection] : connections_) Drop(connection);
  }

  void Serve(const epoll_event& event) {
    if (event.data.fd == listener_) return Accept();
    const auto found = connections_.find(event.data.fd);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if ((event.events & EPOLLIN) != 0) Receive(connection);
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) connection.over = true;
    if ((event.events & EPOLLOUT) != 0 && !connection.waiting.empty()) Send(connection, {});
    if (connection.over) Close(connection);
  }

  void Accept() {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&address), &length,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection& connection = connections_[fd];
    connection.fd = fd;
    connection.peer = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
    Watch(fd, EPOLLIN, EPOLL_CTL_ADD);
  }

  void Close(Connection& connection) {
    if (connection.playing) Stopped(connection, "stop");
    const int fd = connection.fd;
    close(fd);
    connections_.erase(fd);
  }

  void Drop(Connection& connection) {
    if (connection.playing) Stopped(connection, "disconnect");
    if (connection.close_us == 0) connection.close_us = clock_.MonotonicUs() + kDrainUs;
  }

  void Stopped(Connection& connection, const char* event) {
    connection.playing = false;
    --counters_.playing;
    LogEvent(connection, event);
  }

  void LogEvent(const Connection& connection, const char* event) {
    if (!log_) return;
    log_->AppendLine(fmt::format(R"({{"event":"{}","camera":"{}","client":"{}","at_us":{}}})",
                                 event, NameOf(connection.camera), connection.peer,
                                 clock_.NowUs()));
  }

  std::string NameOf(uint32_t camera) const { return options_.prefix + std::to_string(camera); }

  // The camera that a URL names; 0: none of these.
  uint32_t CameraOf(std::string_view url) const {
    for (size_t slashes = 0; slashes < 3; ++slashes) {
      const size_t at = url.find('/');
      if (at == std::string_view::npos) return 0;
      url.remove_prefix(at + 1);
    }
    if (!url.starts_with(options_.prefix)) return 0;
    url.remove_prefix(options_.prefix.size());
    url = url.substr(0, url.find('/'));
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(url.data(), url.data() + url.size(), number);
    const bool whole = error == std::errc() && end == url.data() + url.size();
    return whole && number <= options_.count ? number : 0;
  }

  void Receive(Connection& connection) {
    char buffer[4'096];
    const ssize_t count = recv(connection.fd, buffer, sizeof buffer, 0);
    if (count <= 0) {
      connection.over = count == 0 || errno != EAGAIN;
      return;
    }
    std::string& request = connection.request;
    request.append(buffer, static_cast<size_t>(count));
    while (!connection.over) {
      if (request.size() >= kInterleavedBytes && request[0] == '$') {  // A receiver report.
        const size_t length = kInterleavedBytes + static_cast<uint8_t>(request[2]) * size_t{256} +
                              static_cast<uint8_t>(request[3]);
        if (request.size() < length) return;
        request.erase(0, length);
        continue;
      }
      const size_t end = request.find("\r\n\r\n");
      if (end == std::string::npos) {
        connection.over = request.size() > kMaxRequestBytes;
        return;
      }
      const std::string head = request.substr(0, end + 2);
      request.erase(0, end + 4);
      Answer(connection, head);
    }
  }

  void Answer(Connection& connection, const std::string& head) {
    const size_t space = head.find(' ');
    const std::string method = head.substr(0, space);
    const std::string url = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    std::string status = "200 OK";
    std::string headers;
    std::string body;
    if (method == "OPTIONS") {
      headers = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n";
    } else if ((method == "DESCRIBE" || method == "SETUP") && CameraOf(url) == 0) {
      status = "404 Not Found";
    } else if (method == "DESCRIBE") {
      headers = "Content-Type: application/sdp\r\nContent-Base: " + url + "/\r\n";
      body = Describe();
    } else if (method == "SETUP") {
      connection.camera = CameraOf(url);
      headers =
          "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;"
          "interleaved=0-1\r\n";
    }
    std::string answer =
        fmt::format("RTSP/1.0 {}\r\nCSeq: {}\r\n{}", status, HeaderOf(head, "CSeq"), headers);
    if (!body.empty()) answer += fmt::format("Content-Length: {}\r\n", body.size());
    answer += "\r\n" + body;
    Send(connection, AsBytes(answer));
    if (method == "TEARDOWN") connection.over = true;
    if (method == "PLAY" && connection.camera != 0 && !connection.playing) Play(connection);
  }

  std::string Describe() const {
    return fmt::format(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=load\r\nt=0 0\r\na=control:*\r\n"
        "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 packetization-mode=1;profile-level-id={};sprop-parameter-sets={}\r\n"
        "a=framerate:25\r\na=control:stream=0\r\n",
        clip_.profile_level_id, clip_.sprop_parameter_sets);
  }

  void Play(Connection& connection) {
    if (stopping_ || connection.close_us != 0) return;
    const int64_t now_us = clock_.MonotonicUs();
    connection.playing = true;
    ++counters_.playing;
    while (DueUs(connection) < now_us) {
      connection.picture +=
          static_cast<uint64_t>(std::max<int64_t>(1, (now_us - DueUs(connection)) / kPictureUs));
    }
    connection.stamp.sequence = static_cast<uint16_t>(random_());
    connection.stamp.source = static_cast<uint32_t>(random_());
    connection.next_report_us = now_us;
    if (options_.disconnect_every_s > 0) {
      std::uniform_real_distribution<double> spread(0.5, 1.5);
      const double seconds = options_.disconnect_every_s * spread(random_);
      connection.drop_us = now_us + static_cast<int64_t>(seconds * kUsPerSecond);
    }
    LogEvent(connection, "play");
  }

  int64_t DueUs(const Connection& connection) const {
    return began_us_ + connection.camera * kStaggerUs % kPictureUs +
           static_cast<int64_t>(connection.picture) * kPictureUs;
  }

  void SendDue(Connection& connection, int64_t now_us) {
    if (connection.drop_us != 0 && connection.drop_us <= now_us) return Drop(connection);
    for (int64_t due_us = DueUs(connection); !connection.over && due_us <= now_us;
         due_us += kPictureUs) {
      if (now_us - due_us > counters_.late_us) counters_.late_us = now_us - due_us;
      SendPicture(connection, now_us);
      ++connection.picture;
    }
  }

  void SendPicture(Connection& connection, int64_t now_us) {
    // Cameras are at different places of the clip, so that their sync samples spread.
    const size_t place = connection.picture + connection.camera * kSpreadPictures;
    const PacketPicture& picture = clip_.pictures[place % clip_.pictures.size()];
    connection.stamp.timestamp = static_cast<uint32_t>(connection.picture * kPictureTicks);
    if (connection.next_report_us <= now_us) SendReport(connection);

    const Mark mark{NameOf(connection.camera), connection.picture + 1, clock_.NowUs()};
    const uint16_t first = connection.stamp.sequence;
    StampPicture(picture, BuildMarkNal(mark), connection.stamp, scratch_);
    connection.sent_packets += static_cast<uint16_t>(connection.stamp.sequence - first);
    connection.sent_octets += static_cast<uint32_t>(scratch_.size());
    if (options_.chop == Chop::kPicture) {
      Send(connection, scratch_);
    } else {
      SendEachPacket(connection);
    }
    if (log_ && !connection.over) {
      log_->Append({mark.camera, mark.frame, mark.capture_us, picture.sync, scratch_.size(), 1});
    }
  }

  void SendEachPacket(Connection& connection) {
    ByteSpan left = scratch_;
    while (!left.empty()) {
      const size_t bytes = kInterleavedBytes + left[2] * size_t{256} + left[3];
      Send(connection, left.first(bytes));
      left = left.subspan(bytes);
    }
  }

  // An RTCP sender report (RFC 3550 §6.4.1) of the picture that is about to go.
  void SendReport(Connection& connection) {
    connection.next_report_us += kSenderReportUs;
    const int64_t now_us = clock_.NowUs();
    const auto fraction = static_cast<uint64_t>(now_us % kUsPerSecond) << 32;
    const uint32_t fields[] = {
        0x80c80006,
        connection.stamp.source,
        static_cast<uint32_t>(now_us / kUsPerSecond + kNtpEpochS),
        static_cast<uint32_t>(fraction / uint64_t{kUsPerSecond}),
        connection.stamp.timestamp,
        connection.sent_packets,
        connection.sent_octets,
    };
    Bytes report = {'$', 1, 0, sizeof fields};
    for (const uint32_t field : fields) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        report.push_back(static_cast<uint8_t>(field >> shift));
      }
    }
    Send(connection, report);
  }

  // What the socket does not take waits, up to its limit.
  void Send(Connection& connection, ByteSpan bytes) {
    if (connection.over) return;
    const bool waited = !connection.waiting.empty();
    if (waited) {
      connection.waiting.insert(connection.waiting.end(), bytes.begin(), bytes.end());
      bytes = connection.waiting;
    }
    const ssize_t count = send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    const size_t sent = count < 0 ? 0 : static_cast<size_t>(count);
    counters_.sent_bytes += sent;
    const size_t left = bytes.size() - sent;
    if ((count < 0 && errno != EAGAIN) || left > kMaxWaitingBytes) {
      if (left > kMaxWaitingBytes) ++counters_.cut_off;
      connection.over = true;
      return;
    }
    if (left > 0 || waited) {
      connection.waiting = Bytes(bytes.end() - static_cast<std::ptrdiff_t>(left), bytes.end());
      Watch(connection.fd, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
  }

  const PacketClip& clip_;
  FrameLog* const log_;
  Counters& counters_;
  const Clock& clock_;
  std::mt19937_64 random_;
  const int64_t began_us_;
  int listener_ = -1;
  int epoll_ = -1;
  uint16_t port_ = 0;
  bool stopping_ = false;
  std::map<int, Connection> connections_;
  Bytes scratch_;
};

}  // namespace

Result<std::unique_ptr<LeanServer>> LeanServer::Listen(const PacketClip& clip,
                                                       const Options& options, FrameLog* log,
                                                       Counters& counters, const Clock& clock) {
  auto server = std::make_unique<Server>(clip, options, log, counters, clock);
  LB_TRY(server->Open());
  return std::unique_ptr<LeanServer>(std::move(server));
}

std::string LeanServer::Url(uint32_t number) const {
  return fmt::format("rtsp://127.0.0.1:{}/{}{}", port(), options_.prefix, number);
}

}  // namespace lookback::camera_sim
