#include "storage/recording.h"

#include <utility>

#include "media/fragment.h"
#include "storage/volume_writer.h"

namespace lookback::storage {
namespace {

class RecordingImpl : public Recording {
 public:
  RecordingImpl(std::shared_ptr<WritingRun> run, std::shared_ptr<RecordQueue> records)
      : run_(std::move(run)), records_(std::move(records)) {}
  ~RecordingImpl() override { EndRun(run_, *records_); }

  Status Append(media::Fragment fragment) override {
    return Take(std::move(fragment), VolumeWriter::Room::kWithinLimit);
  }
  Status AppendLast(media::Fragment fragment) override {
    return Take(std::move(fragment), VolumeWriter::Room::kForLast);
  }

  void SetCameraOffset(int64_t offset_us) override {
    run_->common->camera_offset_us = offset_us;
    run_->common->has_camera_offset = true;
  }

  TimeUs written_until_us() const override { return run_->common->stream->recorded_until_us(); }

 private:
  Status Take(media::Fragment fragment, VolumeWriter::Room room) {
    const std::lock_guard lock(run_->mutex);
    if (run_->ended) return Fail(Code::kUnavailable, "the archive stopped");
    const auto shared = std::make_shared<const media::Fragment>(std::move(fragment));
    const auto& stream = run_->common->stream;
    const bool inside = (shared->info.flags & media::kContinuation) != 0;
    if ((run_->dropping && inside) || !run_->entry->Push(run_, shared, room)) {
      run_->dropping = true;
      const std::string& root = run_->entry->volume().root();
      stream->ExtendHole(&run_->dropping, shared->info, index::GapCause::kDiskTooSlow,
                         root + " could not keep up");
      return Fail(Code::kUnavailable, "the queue of volume " + root + " is full; " +
                                          stream->id().text() + " loses a GOP");
    }
    if (std::exchange(run_->dropping, false)) {
      if (auto hole = stream->TakeHole(&run_->dropping)) {
        records_->AddGap(stream, *hole);
        records_->Flush();
      }
    }
    return Ok();
  }

  const std::shared_ptr<WritingRun> run_;
  const std::shared_ptr<RecordQueue> records_;
};

}  // namespace

void EndRun(const std::shared_ptr<WritingRun>& run, RecordQueue& records) {
  const std::lock_guard lock(run->mutex);
  if (std::exchange(run->ended, true)) return;
  const auto& stream = run->common->stream;
  if (auto hole = stream->TakeHole(&run->dropping)) records.AddGap(stream, *hole);
  run->entry->End(run);
  stream->RunEnds();
}

std::unique_ptr<Recording> MakeRecording(std::shared_ptr<WritingRun> run,
                                         std::shared_ptr<RecordQueue> records) {
  return std::make_unique<RecordingImpl>(std::move(run), std::move(records));
}

}  // namespace lookback::storage
