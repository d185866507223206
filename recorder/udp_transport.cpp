#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "recorder/media_transport.h"
#include "recorder/rtcp.h"
#include "recorder/rtp_reorder.h"
#include "recorder/rtsp_message.h"

namespace lookback::recorder {
namespace {

using net::SocketAddress;
using net::UdpSocket;

constexpr size_t kMaxReadPerTickBytes = 4 << 20;  // Of one socket; the rest waits for the next.
constexpr size_t kDatagramBytes = 64;  // What one counts besides its own bytes: it may have none.

// One socket, and whom it hears.
class Ear {
 public:
  explicit Ear(std::unique_ptr<UdpSocket> socket) : socket_(std::move(socket)) {}

  UdpSocket& socket() { return *socket_; }
  const UdpSocket& socket() const { return *socket_; }

  // `port`: as announced, 0: not said. `hosts`: where the camera is.
  void Expect(uint16_t port, std::vector<SocketAddress> hosts) {
    announced_port_ = port;
    hosts_ = std::move(hosts);
    talker_ = hosts_.front().WithPort(port);
  }

  // Some cameras send from a port that they did not announce, and behind a translated address all
  // do: another port is believed for as long as nothing came from the announced one. After that,
  // what comes from elsewhere is a session of before, which the camera has not given up.
  bool Hears(const SocketAddress& from) {
    const bool from_camera = std::any_of(hosts_.begin(), hosts_.end(),
                                         [&](const auto& host) { return host.SameHost(from); });
    const bool announced = announced_port_ != 0 && from.port == announced_port_;
    const bool believed = announced || (!sure_ && (!heard_ || from.port == talker_.port));
    if (!from_camera || !believed) {
      ++foreign_;
      return false;
    }
    heard_ = true;
    sure_ = sure_ || announced;
    talker_ = from;
    return true;
  }

  // Where to answer to; port 0: nobody knows.
  const SocketAddress& talker() const { return talker_; }
  uint64_t foreign() const { return foreign_; }

 private:
  std::unique_ptr<UdpSocket> socket_;
  std::vector<SocketAddress> hosts_;
  uint16_t announced_port_ = 0;
  SocketAddress talker_;
  bool heard_ = false;
  bool sure_ = false;  // The announced port has spoken.
  uint64_t foreign_ = 0;
};

class UdpTransport : public MediaTransport {
 public:
  UdpTransport(const IngestContext& context, const SocketAddress& local,
               const SocketAddress& camera, Sink& sink)
      : context_(context), local_(local), camera_(camera), sink_(sink) {}

  std::string_view name() const override { return "udp"; }

  Result<std::string> Offer(size_t track) override {
    LB_TRY_ASSIGN(pair, UdpSocket::OpenPair(context_.loop, local_, context_.udp_ports));
    TellBuffer(pair.first->receive_buffer_bytes());
    tracks_.push_back(std::make_unique<Track>(std::move(pair),
                                              [this, track](ByteSpan packet, int64_t received_us) {
                                                sink_.OnRtp(track, packet, received_us);
                                              }));
    const Track& opened = *tracks_.back();
    return fmt::format("RTP/AVP;unicast;client_port={}-{}", opened.rtp.socket().port(),
                       opened.rtcp.socket().port());
  }

  Status Accept(size_t track, std::string_view answer) override {
    Track& accepted = *tracks_[track];
    uint16_t rtp = 0;
    uint16_t rtcp = 0;
    if (!ParameterOf(answer, "interleaved").empty() || !IsUnicastUdp(answer)) {
      return Fail(Code::kUnsupported, "the camera does not send RTP over unicast UDP");
    }
    (void)ParsePair(ParameterOf(answer, "server_port"), UINT16_MAX, rtp, rtcp);
    std::vector<SocketAddress> hosts = {camera_};
    const std::string source(ParameterOf(answer, "source"));
    // Behind a translated address it names one that cannot be seen from here: both are believed.
    if (const auto named = SocketAddress::Parse(source, 0); named && !named->SameHost(camera_)) {
      hosts.push_back(*named);
    }
    accepted.rtp.Expect(rtp, hosts);
    accepted.rtcp.Expect(rtcp, std::move(hosts));
    return Ok();
  }

  void Withdraw(size_t track) override { tracks_.resize(track); }

  void Start() override {
    for (size_t i = 0; i < tracks_.size(); ++i) {
      Track& track = *tracks_[i];
      // What a translating router on the way has to see before it lets anything in: an RTP packet
      // without payload, and an empty receiver report.
      static constexpr uint8_t kEmptyRtp[12] = {0x80};
      static constexpr uint8_t kEmptyReport[8] = {0x80, 201, 0, 1};
      SendFrom(track.rtp, kEmptyRtp);
      SendFrom(track.rtcp, kEmptyReport);
      track.rtp.socket().ReadOnEvents([this, i] { (void)ReadRtp(i); });
      track.rtcp.socket().ReadOnEvents([this, i] { (void)ReadRtcp(i); });
    }
  }

  void ReadOnDemand() override {
    for (auto& track : tracks_) {
      track->rtp.socket().ReadOnDemand();
      track->rtcp.socket().ReadOnDemand();
    }
    on_demand_ = true;
  }

  Status Tick(int64_t now_us) override {
    for (size_t i = 0; i < tracks_.size(); ++i) {
      if (on_demand_) {
        LB_TRY(ReadRtcp(i));
        LB_TRY(ReadRtp(i));
      }
      tracks_[i]->order.Release(now_us);
    }
    return Ok();
  }

  void OnInterleaved(uint8_t, ByteSpan, int64_t) override {}

  void SendRtcp(size_t track, ByteSpan packet) override {
    if (track < tracks_.size()) SendFrom(tracks_[track]->rtcp, packet);
  }

  TransportCounters counters() const override {
    TransportCounters sum;
    sum.bytes = bytes_;
    for (const auto& track : tracks_) {
      sum.foreign_packets += track->rtp.foreign() + track->rtcp.foreign();
      sum.late_packets += track->order.late();
      sum.kernel_drops += track->rtp.socket().kernel_drops();
    }
    return sum;
  }

 private:
  struct Track {
    Track(UdpSocket::Pair pair, RtpReorder::Deliver deliver)
        : rtp(std::move(pair.first)), rtcp(std::move(pair.second)), order(std::move(deliver)) {}
    Ear rtp;
    Ear rtcp;
    RtpReorder order;
  };

  // "RTP/AVP;unicast;..." or "RTP/AVP/UDP;unicast;...". Some leave "unicast" out.
  static bool IsUnicastUdp(std::string_view answer) {
    const std::string_view profile = TrimSpace(answer.substr(0, answer.find(';')));
    return (EqualsIgnoringCase(profile, "RTP/AVP") || EqualsIgnoringCase(profile, "RTP/AVP/UDP")) &&
           answer.find("multicast") == std::string_view::npos;
  }

  static void TellBuffer(int granted_bytes) {
    if (granted_bytes >= UdpSocket::kNeededBufferBytes) return;
    LogWarning("recorder",
               fmt::format("the kernel grants a UDP socket {} bytes, and a tick of 20 Mbit/s needs "
                           "{}: packets may be lost here; raise net.core.rmem_max",
                           granted_bytes, UdpSocket::kNeededBufferBytes));
  }

  // Reports are a courtesy: one that cannot be sent costs nothing.
  static void SendFrom(Ear& ear, ByteSpan packet) {
    if (ear.talker().port != 0) (void)ear.socket().SendTo(ear.talker(), packet);
  }

  Status ReadRtp(size_t i) {
    Track& track = *tracks_[i];
    return ReadAll(track.rtp, [&track](ByteSpan packet, int64_t received_us) {
      track.order.Push(packet, received_us);
    });
  }

  Status ReadRtcp(size_t i) {
    return ReadAll(tracks_[i]->rtcp, [this, i](ByteSpan packet, int64_t received_us) {
      sink_.OnRtcp(i, packet, received_us);
    });
  }

  template <typename Take>
  Status ReadAll(Ear& ear, const Take& take) {
    const int64_t now_us = context_.clock.MonotonicUs();
    size_t work = 0;
    bool more = true;
    while (more && work < kMaxReadPerTickBytes) {
      LB_TRY_ASSIGN(again, ear.socket().Read(context_.buffer, [&](const auto& datagram) {
        work += kDatagramBytes + datagram.bytes.size();
        bytes_ += datagram.bytes.size();
        if (ear.Hears(datagram.from)) take(datagram.bytes, now_us);
      }));
      more = again;
    }
    return Ok();
  }

  const IngestContext context_;
  const SocketAddress local_;
  const SocketAddress camera_;
  Sink& sink_;
  std::vector<std::unique_ptr<Track>> tracks_;
  bool on_demand_ = false;
  uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<MediaTransport> MakeUdpTransport(const IngestContext& context,
                                                 const SocketAddress& local,
                                                 const SocketAddress& camera,
                                                 MediaTransport::Sink& sink) {
  return std::make_unique<UdpTransport>(context, local, camera, sink);
}

}  // namespace lookback::recorder
