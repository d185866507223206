#include "storage/hold_gate.h"

#include <algorithm>
#include <future>
#include <utility>

#include "storage/layout.h"

namespace lookback::storage {

HoldGate::HoldGate(Parts parts) : parts_(std::move(parts)), holds_end_(parts_.ledger.size()) {}

// Whether nothing of what the marker names is left, and retention took some of it.
Result<bool> HoldGate::WhollyDeleted(const index::Marker& marker) const {
  bool deleted = false;
  for (const CameraId& camera : marker.cameras) {
    for (const Stream kind : {Stream::kMain, Stream::kSub}) {
      const StreamId stream{camera, kind};
      const auto segments = parts_.archive.Segments(stream, marker.range);
      if (!segments && segments.code() == Code::kNotFound) continue;
      if (!segments) return Pass(segments.error());
      if (!segments->empty()) return false;
      LB_TRY_ASSIGN(gaps, parts_.catalog.Gaps(stream, marker.range));
      deleted = deleted || std::any_of(gaps.begin(), gaps.end(), [](const index::Gap& gap) {
                  return gap.cause == index::GapCause::kRetention;
                });
    }
  }
  return deleted;
}

Status HoldGate::PutMarker(index::Marker marker, std::optional<index::Act> act) {
  if (marker.range.empty()) return Fail(Code::kInvalid, "a marker must end after it starts");
  if (marker.cameras.empty()) return Fail(Code::kInvalid, "a marker needs a camera");
  const std::lock_guard lock(parts_.mutex);
  if (marker.hold) {
    if (deletes_under_way_ > 0) return Unsettled("a deletion");
    LB_TRY_ASSIGN(deleted, WhollyDeleted(marker));
    if (deleted) {
      return Fail(Code::kConflict, "the footage from " + FormatTime(marker.range.start_us) +
                                       " to " + FormatTime(marker.range.end_us) +
                                       " was deleted already; there is nothing to hold");
    }
  }
  std::vector<index::Record> group;
  group.emplace_back(std::move(marker));
  if (act) group.emplace_back(std::move(*act));
  return CommitCounted(std::move(group), holds_under_way_);
}

// A commit that was given up waiting for may come on record later;
// `under_way` counts it until then.
Status HoldGate::CommitCounted(std::vector<index::Record> records, std::atomic<int>& under_way) {
  const auto answer = std::make_shared<std::promise<Status>>();
  ++under_way;
  const bool hold = &under_way == &holds_under_way_;
  const Status posted =
      parts_.journal.Post(std::move(records), [this, hold, &under_way, answer](const Status& s) {
        if (hold) holds_end_ = parts_.ledger.size();
        --under_way;
        answer->set_value(s);
      });
  if (posted) return parts_.journal.Await(answer->get_future());
  --under_way;
  return posted;
}

Status HoldGate::AwaitSecondCopy() {
  const uint64_t size = parts_.ledger.size();
  if (parts_.copies == nullptr || parts_.copies->AwaitAny(size, kHoldCopyWaitUs)) return Ok();
  return Fail(Code::kUnavailable,
              "it stands on the ledger alone: no volume has written its copy within " +
                  std::to_string(kHoldCopyWaitUs / kUsPerSecond) + " s");
}

// A volume whose ledger lacks a hold may be all that is left of the store one day.
Status HoldGate::CopyAllowsDeletion(const Volume& volume, int64_t wait_us) {
  if (parts_.copies == nullptr || parts_.copies->AwaitOn(volume.id(), holds_end_, wait_us))
    return Ok();
  return Fail(Code::kUnavailable, "the copy of the ledger on " + volume.root() +
                                      " lags and may lack a hold: nothing is deleted there");
}

tl::unexpected<Error> HoldGate::Unsettled(const std::string& what) const {
  return Fail(Code::kUnavailable, what + " waits for the ledger's disk; try again later");
}

// Whether something of the segment may be lost now: nothing that a hold touches, and not while some
// hold may not be known. With the lock that holds take too.
Result<HoldGate::Loser> HoldGate::MayLose(const index::SegmentKey& key) {
  if (parts_.journal.catalog_behind()) {
    return Fail(Code::kUnavailable, "the catalog is behind the ledger: it may not know every hold");
  }
  if (holds_under_way_ > 0) return Unsettled("a hold");
  LB_TRY_ASSIGN(confirmed, parts_.catalog.PoliciesConfirmed());
  if (!confirmed) {
    return Fail(
        Code::kDenied,
        "the catalog was rebuilt, or much is missing; nothing is deleted until the retention "
        "policies are confirmed");
  }
  LB_TRY_ASSIGN(row, parts_.catalog.FindSegment(key));
  if (!row) {
    return Fail(Code::kNotFound,
                key.stream.text() + " has no segment at " + FormatTime(key.start_us));
  }
  LB_TRY_ASSIGN(held,
                parts_.catalog.IsHeld(row->stream.camera, row->range(), parts_.clock.NowUs()));
  if (held) {
    return Fail(Code::kDenied, row->stream.text() + " from " + FormatTime(row->start_us) + " to " +
                                   FormatTime(row->end_us) + " is held");
  }
  // Looked at anew: a copy may have been made meanwhile.
  LB_TRY_ASSIGN(volumes, VolumesOf(*row));
  for (const Volume* volume : volumes) LB_TRY(CopyAllowsDeletion(*volume, 0));
  return Loser{*std::move(row), std::move(volumes)};
}

Status HoldGate::AwaitCopiesOf(const index::Seal& row) {
  LB_TRY_ASSIGN(volumes, VolumesOf(row));
  for (const Volume* volume : volumes) LB_TRY(CopyAllowsDeletion(*volume, kDeleteCopyWaitUs));
  return Ok();
}

Status HoldGate::RemoveFiles(const Loser& loser) {
  Status removed = Ok();
  for (Volume* volume : loser.volumes) {
    const Status gone = volume->Remove(index::KeyOf(loser.row));
    if (!gone && gone.code() != Code::kNotFound) removed = gone;
  }
  return removed;
}

// What was decoded of the segment goes too, and what was read of the row of before is not kept.
// Also when the record may come yet.
Status HoldGate::CommitLoss(const index::Seal& row, index::Record record) {
  const Status committed = CommitCounted({std::move(record)}, deletes_under_way_);
  parts_.pictures.Forget(row.stream, row.range());
  return committed;
}

Status HoldGate::DeleteSegment(const index::Seal& segment, const std::string& policy,
                               const std::string& reason) {
  LB_TRY(AwaitCopiesOf(segment));
  const std::lock_guard lock(parts_.mutex);
  LB_TRY_ASSIGN(loser, MayLose(index::KeyOf(segment)));
  const index::Seal& row = loser.row;
  LB_TRY(CommitLoss(row, index::Delete{index::KeyOf(row), row.end_us, row.bytes, policy, reason}));
  return RemoveFiles(loser);
}

Status HoldGate::ThinSegment(const index::Seal& thinned, const std::string& policy,
                             const std::string& reason) {
  const index::SegmentKey key = index::KeyOf(thinned);
  const Status awaited = AwaitCopiesOf(thinned);
  const std::lock_guard lock(parts_.mutex);
  const Result<Loser> loser = awaited ? MayThin(thinned) : Pass(awaited.error());
  if (!loser) {
    RemoveUnused(thinned);
    return Pass(loser.error());
  }
  const index::Seal& row = loser->row;
  LB_TRY(CommitLoss(row, index::Thin{key, row.end_us, row.bytes, row.sha256, thinned.bytes,
                                     thinned.fragments, thinned.sha256, policy, reason}));
  return RemoveFiles(*loser);
}

// A new file that has no record, and comes to none.
void HoldGate::RemoveUnused(const index::Seal& thinned) {
  const index::SegmentKey key = index::KeyOf(thinned);
  if (parts_.journal.catalog_behind() || deletes_under_way_ > 0) return;
  const auto row = parts_.catalog.FindSegment(key);
  if (!row || (*row && (*row)->thinned)) return;
  for (Volume* volume : parts_.volumes()) {
    if (volume->id() == thinned.volume) (void)volume->Remove(key);
  }
}

// Whether the new file is there, and the segment still as it was when that was made from it.
Result<HoldGate::Loser> HoldGate::MayThin(const index::Seal& thinned) {
  if (deletes_under_way_ > 0) return Unsettled("a deletion");
  LB_TRY_ASSIGN(loser, MayLose(index::KeyOf(thinned)));
  if (loser.row.thinned || loser.row.volume != thinned.volume) {
    return Fail(Code::kConflict, SegmentPath(index::KeyOf(loser.row)) + " was changed meanwhile");
  }
  for (Volume* volume : loser.volumes) {
    if (volume->id() == thinned.volume) LB_TRY(volume->Open(index::KeyOf(thinned)));
  }
  return loser;
}

// The segment's own volume, without which nothing of it is deleted, and those with copies of it. Of
// these some may be offline: their file is unlinked when they return.
Result<std::vector<Volume*>> HoldGate::VolumesOf(const index::Seal& row) {
  LB_TRY_ASSIGN(copies, parts_.catalog.CopiesOf(index::KeyOf(row)));
  std::vector<Volume*> found = parts_.volumes();
  std::erase_if(found, [&](const Volume* volume) {
    return volume->state() == VolumeState::kOffline ||
           (volume->id() != row.volume &&
            std::find(copies.begin(), copies.end(), volume->id()) == copies.end());
  });
  if (std::any_of(found.begin(), found.end(),
                  [&](const Volume* volume) { return volume->id() == row.volume; })) {
    return found;
  }
  return Fail(Code::kUnavailable, "the volume of " + row.stream.text() + " at " +
                                      FormatTime(row.start_us) + " is offline");
}

Status HoldGate::RecordCopy(const index::Copy& copy) {
  const std::lock_guard lock(parts_.mutex);
  if (deletes_under_way_ > 0) return Unsettled("a deletion");
  LB_TRY_ASSIGN(row, parts_.catalog.FindSegment(copy.segment));
  if (!row) return Fail(Code::kNotFound, "what was copied was deleted meanwhile");
  if (copy.gone && row->volume == copy.volume) {
    return Fail(Code::kConflict, "the copy has taken the segment's place meanwhile");
  }
  if (!copy.gone) {
    LB_TRY_ASSIGN(held,
                  parts_.catalog.IsHeld(row->stream.camera, row->range(), parts_.clock.NowUs()));
    if (!held) return Fail(Code::kDenied, "what was copied is not held any more");
    if (row->sha256 != copy.sha256) {
      return Fail(Code::kNotFound, "what was copied was thinned meanwhile");
    }
  }
  return parts_.journal.Commit({copy});
}

}  // namespace lookback::storage
