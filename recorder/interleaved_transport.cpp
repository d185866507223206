#include <fmt/format.h>

#include <vector>

#include "recorder/media_transport.h"
#include "recorder/rtsp_connection.h"

namespace lookback::recorder {
namespace {

class InterleavedTransport : public MediaTransport {
 public:
  InterleavedTransport(RtspConnection& connection, bool tls, Sink& sink)
      : connection_(connection), tls_(tls), sink_(sink) {}

  std::string_view name() const override { return tls_ ? "tls" : "tcp"; }

  Result<std::string> Offer(size_t track) override {
    const size_t channel = 2 * track;
    return fmt::format("RTP/AVP/TCP;unicast;interleaved={}-{}", channel, channel + 1);
  }

  // The camera has the last word on the channels.
  Status Accept(size_t, std::string_view answer) override {
    Channels channels;
    if (!ParsePair(ParameterOf(answer, "interleaved"), UINT8_MAX, channels.rtp, channels.rtcp)) {
      return Fail(Code::kUnsupported, "the camera does not send RTP over the RTSP connection");
    }
    tracks_.push_back(channels);
    return Ok();
  }

  void Withdraw(size_t) override {}

  // What is read of the connection is read by it.
  void ReadOnDemand() override { connection_.ReadOnDemand(); }
  Status Tick(int64_t) override { return Ok(); }

  void OnInterleaved(uint8_t channel, ByteSpan payload, int64_t received_us) override {
    for (size_t i = 0; i < tracks_.size(); ++i) {
      if (channel == tracks_[i].rtp) return sink_.OnRtp(i, payload, received_us);
      if (channel == tracks_[i].rtcp) return sink_.OnRtcp(i, payload, received_us);
    }
  }

  void SendRtcp(size_t track, ByteSpan packet) override {
    if (track >= tracks_.size()) return;
    connection_.SendInterleaved(static_cast<uint8_t>(tracks_[track].rtcp), packet);
  }

 private:
  struct Channels {
    uint16_t rtp = 0;
    uint16_t rtcp = 0;
  };

  RtspConnection& connection_;
  const bool tls_;
  Sink& sink_;
  std::vector<Channels> tracks_;
};

}  // namespace

std::unique_ptr<MediaTransport> MakeInterleavedTransport(RtspConnection& connection, bool tls,
                                                         MediaTransport::Sink& sink) {
  return std::make_unique<InterleavedTransport>(connection, tls, sink);
}

}  // namespace lookback::recorder
