// Each sickness of a camera, beside nine healthy ones: these lose no picture, its gap has the cause
// that docs/causes.md gives, and it records again by itself. In real time, with short limits.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <optional>

#include "recorder/recorder.h"
#include "storage/store.h"
#include "tests/recorder/sick_camera.h"
#include "tests/support/await.h"
#include "tests/support/temp_dir.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using test::Await;
using test::FakeCamera;
using test::SickCamera;
using Request = FakeCamera::Request;

constexpr TimeRange kEver{kTimeMinUs, kTimeMaxUs};
constexpr size_t kHealthy = 9;

struct Sickness {
  std::string name;
  SickCamera::Illness illness;
  // Of the gap; nullopt: it costs no footage, and lasts for so many pictures.
  std::optional<GapCause> cause;
  std::string detail;  // Part of the gap's.
  uint64_t pictures = 0;
  std::string error = {};  // Part of last_error, when not the gap's detail.
  bool damaged = false;    // Fragments are flagged.
};

void PrintTo(const Sickness& sickness, std::ostream* out) { *out << sickness.name; }

SickCamera::Illness Answers(std::function<std::string(SickCamera&, const Request&)> answer) {
  return {std::move(answer), nullptr, true};
}
SickCamera::Illness Sends(std::function<void(SickCamera&)> send) {
  return {nullptr, std::move(send), false};
}
// Pictures are taken, but what is sent is this.
SickCamera::Illness SendsInstead(const Bytes& bytes) {
  return Sends([bytes](SickCamera& camera) {
    (void)camera.Next();
    camera.SendRaw(bytes);
  });
}
// What the camera answers to DESCRIBE; the rest as usual.
SickCamera::Illness Describes(std::function<std::string(const Request&)> answer) {
  return Answers([answer](SickCamera& camera, const Request& request) {
    return request.method == "DESCRIBE" ? answer(request) : camera.rtsp().Usual(request);
  });
}

// 2,500 pictures a second, which make 150 MB, if the line and the reader take it.
void Flood(SickCamera& camera) {
  constexpr uint32_t kPictures = 100;
  SickCamera::Picture picture = camera.Next();
  const uint32_t first = picture.sequence * kPictures;
  picture.nal = test::Predicted(60'000);
  for (uint32_t i = 0; i < kPictures && !camera.stopping(); ++i) {
    picture.sequence = static_cast<uint16_t>(first + i);
    camera.Send(picture);
    picture.time += SickCamera::kFrameTicks / kPictures;
  }
}

// A picture whose time is another than its number says.
std::function<void(SickCamera&)> Timed(std::function<uint32_t(uint32_t time, uint64_t i)> time) {
  return [time](SickCamera& camera) {
    SickCamera::Picture picture = camera.Next();
    picture.time = time(picture.time, camera.pictures_ill());
    camera.Send(picture);
  };
}

std::vector<Sickness> SicknessesOfRtsp() {
  const auto endless = [](const Request& request) {
    std::string headers;
    for (int i = 0; i < 5'000; ++i) headers += "X-" + std::to_string(i) + ": endless\r\n";
    return FakeCamera::Respond(request, "200 OK", headers);
  };
  const auto length = [](const std::string& value) {
    return [value](const Request& request) {
      return FakeCamera::Respond(request, "200 OK", "Content-Length: " + value + "\r\n") +
             "v=0\r\n";
    };
  };
  const auto status = [](const std::string& line, const std::string& headers) {
    return Answers([=](SickCamera&, const Request& request) {
      return FakeCamera::Respond(request, line, headers);
    });
  };
  const GapCause fault = GapCause::kCameraFault;
  return {
      {"HalfOpen", Answers([](auto&, auto&) { return std::string(); }), fault,
       "no answer to OPTIONS for 1 s"},
      {"ContentLengthTooLong", Describes(length("60000")), fault, "no answer to DESCRIBE for 1 s"},
      {"ContentLengthTooShort", Describes(length("2")), fault, "SDP: no media line"},
      {"ContentLengthNoNumber", Describes(length("-5")), fault,
       "a Content-Length that is no number"},
      {"EndlessHeaders", Describes(endless), fault, "more than 64 headers"},
      {"ServerErrors", status("503 Service Unavailable", ""), fault, "503 Service Unavailable"},
      {"Unauthorized", status("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n"), fault,
       "401 Unauthorized"},
  };
}

std::vector<Sickness> SicknessesOfMedia() {
  const GapCause fault = GapCause::kCameraFault;
  SickCamera::Illness silent_after_play = SendsInstead({});
  silent_after_play.begins_anew = true;
  return {
      {"SilentAfterPlay", silent_after_play, fault, "no RTP for 1 s"},
      {"SilentInMidStream", SendsInstead({}), GapCause::kNetwork, "no RTP for 1 s"},
      {"ReportsWithoutPictures", SendsInstead(test::Interleaved(1, test::SenderReportPacket(1, 1))),
       fault, "no RTP for 1 s, though the connection lives"},
      {"Flood", Sends(Flood), fault, "floods the line: more than 67 Mbit/s"},
      {"TruncatedRtp", SendsInstead(test::Interleaved(0, {0x80, 0x60, 0, 1, 0, 0})), fault,
       "packets were no RTP"},
      {"GarbageAsRtp", SendsInstead(test::Interleaved(0, Bytes(900, 0xee))), fault,
       "no picture for 1 s"},
      {"GarbageOnTheLine", SendsInstead(Bytes(5'000, 0xee)), fault,
       "RTSP: bytes that begin neither a message nor a frame"},
      {"UnknownPayloadType", Sends([](SickCamera& camera) {
         SickCamera::Picture picture = camera.Next();
         picture.payload_type = 97;
         camera.Send(picture);
       }),
       fault, "of payload type 97, not 96"},
      {"NoSyncSample", Sends([](SickCamera& camera) {
         SickCamera::Picture picture = camera.Next();
         picture.nal[0] = 0x41;  // What was a sync sample is none.
         if (camera.pictures_ill() == 0) return camera.rtsp().HangUp();
         camera.Send(picture);
       }),
       fault, "no sync sample for 1 s"},
      {"ParameterSetsAndNoPictures", Sends([](SickCamera& camera) {
         SickCamera::Picture picture = camera.Next();
         picture.nal = test::Sps();
         camera.Send(picture);
       }),
       fault, "no picture for 1 s"},
      {"DisconnectInMidFrame", Sends([](SickCamera& camera) {
         Bytes frame = test::Interleaved(0, test::Rtp(1, 1, true, test::Idr(1'000)));
         frame.resize(100);
         camera.SendRaw(frame);
         camera.rtsp().HangUp();
       }),
       GapCause::kNetwork, "closed the connection"},
  };
}

std::vector<Sickness> SicknessesOfTime() {
  return {
      {"TimestampsThatStand", Sends(Timed([](uint32_t, uint64_t) { return 77'000u; })),
       GapCause::kCameraFault, "timestamps stand still or run back", 0, "timed by arrival"},
      {"TimestampsThatRunBack", Sends(Timed([](uint32_t time, uint64_t i) {
         return time - static_cast<uint32_t>(2 * i) * SickCamera::kFrameTicks;
       })),
       GapCause::kCameraFault, "timestamps stand still or run back", 0, "timed by arrival"},
      {"OneWildTimestamp", Sends(Timed([](uint32_t time, uint64_t i) {
         return i == 7 ? time + 2'000'000'000u : time;
       })),
       std::nullopt, "", 10, "", true},
      {"LostPackets", Sends([](SickCamera& camera) {
         SickCamera::Picture picture = camera.Next();
         if (camera.pictures_ill() % 5 != 2) camera.Send(picture);
       }),
       std::nullopt, "", 10, "", true},
      {"HundredTwentyFivePicturesASecond", Sends([](SickCamera& camera) {
         camera.frame_ticks = SickCamera::kFrameTicks / 5;
         for (int i = 0; i < 5; ++i) camera.SendNext();
       }),
       std::nullopt, "", 10},
      {"NewSource", Sends([](SickCamera& camera) {
         if (camera.pictures_ill() == 0) camera.ssrc ^= 0xffff;
         SickCamera::Picture picture = camera.Next();
         picture.time += 900'000'000;
         picture.sequence = static_cast<uint16_t>(picture.sequence + 30'000);
         camera.Send(picture);
       }),
       GapCause::kStreamChange, "the camera's timestamps jumped"},
  };
}

std::vector<Sickness> AllSicknesses() {
  std::vector<Sickness> all = SicknessesOfRtsp();
  for (auto& list : {SicknessesOfMedia(), SicknessesOfTime()}) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

class SickCameras : public testing::TestWithParam<Sickness> {
 protected:
  void SetUp() override {
    storage::StoreOptions store;
    store.data = directory_.Path("data");
    auto opened = storage::Store::Open(store, clock_, *files_);
    ASSERT_TRUE(opened) << opened.message();
    store_ = std::move(*opened);
    Recorder::Options options;
    options.read_tick_us = 10'000;
    options.connect_timeout_us = options.silence_timeout_us = kUsPerSecond;
    options.backoff_min_us = 50'000;
    options.backoff_max_us = options.credential_backoff_us = 200'000;
    options.no_picture_us = kUsPerSecond;
    options.no_picture_reconnect_us = 2 * kUsPerSecond;
    options.max_bytes_per_second = 8 << 20;
    recorder_ = Recorder::Start(options, store_->archive(), clock_);
    for (size_t i = 0; i <= kHealthy; ++i) {
      CameraSource source;
      source.id = Id(i);
      source.url = cameras_[i].rtsp().url();
      ASSERT_TRUE(recorder_->Put(source));
    }
  }

  static CameraId Id(size_t i) { return *CameraId::Parse("cam" + std::to_string(i)); }
  static StreamId Main(size_t i) { return {Id(i), Stream::kMain}; }
  CameraStatus Status() { return *recorder_->StatusOf(Main(kHealthy)); }
  SickCamera& patient() { return cameras_[kHealthy]; }

  bool AwaitFootage(size_t i, TimeUs until_us) {
    return Await([&] { return recorder_->StatusOf(Main(i))->recorded_until_us > until_us; });
  }

  std::vector<index::Gap> Gaps(size_t i) { return store_->archive().Gaps(Main(i), kEver).value(); }
  std::optional<index::Gap> FindGap(GapCause cause, const std::string& detail) {
    for (const index::Gap& gap : Gaps(kHealthy)) {
      if (gap.cause == cause && gap.detail.find(detail) != std::string::npos) return gap;
    }
    return std::nullopt;
  }
  std::string AllGaps() {
    std::string text = "gaps:";
    for (const index::Gap& gap : Gaps(kHealthy)) {
      text += "\n  " + std::string(index::GapCauseName(gap.cause)) + ": " + gap.detail;
    }
    return text + "\nlast error: " + Status().last_error;
  }

  struct Stored {
    std::multiset<uint64_t> numbers;
    uint32_t lost_packets = 0;
    uint32_t flags = 0;
  };
  Stored Read(size_t i) {
    Stored stored;
    const auto segments = store_->archive().Segments(Main(i), kEver);
    for (const auto& segment : segments.value()) {
      const auto index = store_->archive().Index(segment);
      const auto file = store_->archive().Open(segment, 0);
      if (!index || !file) {
        ADD_FAILURE() << "a segment cannot be read";
        continue;
      }
      for (const auto& fragment : (*index)->fragments) {
        stored.lost_packets += fragment.info.lost_packets;
        stored.flags |= fragment.info.flags;
        const media::FragmentTrack& track = fragment.info.tracks[0];
        uint64_t offset = fragment.offset + track.data_offset;
        for (const media::SampleInfo& sample : track.samples) {
          Bytes bytes(sample.size);
          EXPECT_TRUE((*file)->ReadAt(offset, bytes));
          if (const auto number = SickCamera::NumberOf(bytes)) {
            stored.numbers.insert(*number);
          }
          offset += sample.size;
        }
      }
    }
    return stored;
  }

  void ExpectHealthyAreWhole(size_t i) {
    SCOPED_TRACE("camera " + std::to_string(i));
    const std::set<uint64_t> sent = cameras_[i].sent();
    const std::multiset<uint64_t> stored = Read(i).numbers;
    EXPECT_GT(sent.size(), 10u);
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), stored.begin(), stored.end()))
        << sent.size() << " sent, " << stored.size() << " stored";
    EXPECT_EQ(recorder_->StatusOf(Main(i))->reconnects, 0u);
    EXPECT_TRUE(Gaps(i).empty());
  }

  // What was sent is dealt with; then all of it is in the archive.
  void StopAll() {
    for (SickCamera& camera : cameras_) camera.StopPictures();
    for (size_t i = 0; i <= kHealthy; ++i) EXPECT_TRUE(cameras_[i].rtsp().SendAndAwait({}));
    recorder_->Stop();
    ASSERT_TRUE(store_->archive().Drain());
  }

  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  test::TempDir directory_;
  std::unique_ptr<storage::Store> store_;
  std::array<SickCamera, kHealthy + 1> cameras_;
  std::unique_ptr<Recorder> recorder_;
};

TEST_P(SickCameras, CostThemselvesAloneHaveACauseAndHeal) {
  const Sickness& sickness = GetParam();
  for (size_t i = 0; i <= kHealthy; ++i) ASSERT_TRUE(AwaitFootage(i, 0));
  patient().FallIll(sickness.illness);
  if (sickness.cause) {
    ASSERT_TRUE(Await([&] { return FindGap(*sickness.cause, sickness.detail); })) << AllGaps();
    if (!sickness.error.empty()) {
      ASSERT_TRUE(Await([&] {
        return Status().last_error.find(sickness.error) != std::string::npos;
      })) << AllGaps();
      const TimeUs now_us = clock_.NowUs();
      ASSERT_TRUE(AwaitFootage(kHealthy, now_us)) << "not recorded while ill";
    }
  } else {
    ASSERT_TRUE(Await([&] { return patient().pictures_ill() >= sickness.pictures; }));
  }
  patient().Recover();
  const TimeUs well_us = clock_.NowUs();
  EXPECT_TRUE(AwaitFootage(kHealthy, well_us + 200 * kUsPerMs)) << AllGaps();
  EXPECT_TRUE(Await([&] { return Status().state == CameraState::kRecording; })) << AllGaps();
  StopAll();
  for (size_t i = 0; i < kHealthy; ++i) ExpectHealthyAreWhole(i);
  if (sickness.cause) return;
  // No gap, and each picture that was sent is there.
  EXPECT_TRUE(Gaps(kHealthy).empty()) << AllGaps();
  const Stored stored = Read(kHealthy);
  const std::set<uint64_t> sent = patient().sent();
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), stored.numbers.begin(), stored.numbers.end()))
      << sent.size() << " sent, " << stored.numbers.size() << " stored";
  EXPECT_EQ(Status().reconnects, 0u);
  EXPECT_EQ((stored.flags & media::kDamaged) != 0, sickness.damaged);
  EXPECT_EQ(stored.lost_packets, *sent.rbegin() - *sent.begin() + 1 - sent.size());
}

INSTANTIATE_TEST_SUITE_P(Each, SickCameras, testing::ValuesIn(AllSicknesses()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lookback::recorder
