// How runs leave a volume: it failed, does not answer, or is being drained.

#include <utility>

#include "base/log.h"
#include "storage/volume_writer.h"

namespace lookback::storage {

// A run, or what is left of one, as `other` has it: `first` is what comes next.
std::shared_ptr<WritingRun> VolumeWriter::Continue(VolumeWriter& other,
                                                   const std::shared_ptr<RunCommon>& run,
                                                   const media::FragmentInfo& first) {
  auto next = std::make_shared<WritingRun>(run, other);
  next->begun = true;
  next->last_end_us = first.start_us;
  next->last_number = first.number - 1;
  return next;
}

std::shared_ptr<WritingRun> VolumeWriter::SuccessorFor(WritingRun& run,
                                                       const media::FragmentInfo& first) {
  if (run.successor) return run.successor;
  VolumeWriter* const other = find_other_(*this);
  if (!other) return nullptr;
  LogWarning("archive", run.common->info.stream.text() + " goes on in " + other->volume().root());
  run.common->stream->SetVolume(other->volume().root());
  return run.successor = Continue(*other, run.common, first);
}

void VolumeWriter::HandOn(const Item& item) {
  if (item.barrier) return item.barrier->set_value();
  WritingRun& run = *item.run;
  if (!item.fragment) {
    if (auto hole = run.common->stream->TakeHole(&run)) {
      records_.AddGap(run.common->stream, *hole);
    }
    if (run.successor) run.successor->entry->End(run.successor);
    return;
  }
  const auto successor = SuccessorFor(run, item.fragment->info);
  if (successor && successor->entry->Push(successor, item.fragment, Room::kForMoved)) return;
  const Error why = health_.trouble();
  run.common->stream->ExtendHole(&run, item.fragment->info, CauseOf(why), why.message);
}

void VolumeWriter::Abandon(const Error& why) {
  health_.Enter(why);
  group_.GiveUp(why);
  ReplayUnsynced();
  const std::lock_guard lock(mutex_);
  abandoned_ = stopping_ = sync_stopping_ = true;
  if (in_hand_.run && in_hand_.fragment) HandOn(in_hand_);
  for (const Item& item : queue_) {
    Uncount(item);
    HandOn(item);
  }
  queue_.clear();
  ready_.notify_all();
  wake_sync_.notify_all();
}

// What no sync covered is written once more, where it can be.
void VolumeWriter::ReplayUnsynced() {
  VolumeWriter* const other = find_other_(*this);
  if (!other) return;
  for (SealGroup::Unsynced& part : group_.TakeUnsynced()) {
    LogWarning("archive", part.run->info.stream.text() + ": " +
                              std::to_string(part.fragments.size()) +
                              " fragments that were not synced are written again, in " +
                              other->volume().root());
    const auto run = Continue(*other, part.run, part.fragments.front()->info);
    for (auto& fragment : part.fragments) {
      (void)other->Push(run, std::move(fragment), Room::kForMoved);
    }
    other->End(run);
  }
}

// The run moved to another volume: what still comes here goes there, in order.
void VolumeWriter::Forward(const Item& item, const std::shared_ptr<WritingRun>& successor) {
  WritingRun& run = *item.run;
  StreamState& stream = *run.common->stream;
  const void* const who = &run.successor;
  if (!item.fragment) {
    if (auto hole = stream.TakeHole(who)) records_.AddGap(run.common->stream, *hole);
    successor->entry->End(successor);
    return;
  }
  const media::FragmentInfo& info = item.fragment->info;
  const bool inside = (info.flags & media::kContinuation) != 0;
  if ((run.dropping_moved && inside) ||
      !successor->entry->Push(successor, item.fragment, item.room)) {
    run.dropping_moved = true;
    stream.ExtendHole(who, info, index::GapCause::kDiskTooSlow,
                      successor->entry->volume().root() + " could not keep up");
    return;
  }
  run.dropping_moved = false;
  if (auto hole = stream.TakeHole(who)) records_.AddGap(run.common->stream, *hole);
}

// Of a draining volume, before a new segment: the run goes on in one that is not, if any takes it.
bool VolumeWriter::MoveOn(const Item& item) {
  const VolumeWriter* const other = find_other_(*this);
  if (!other || other->volume().draining()) return false;
  WritingRun& run = *item.run;
  std::shared_ptr<WritingRun> successor;
  {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return false;
    successor = SuccessorFor(run, item.fragment->info);
  }
  if (!successor) return false;
  if (auto hole = run.common->stream->TakeHole(&run)) records_.AddGap(run.common->stream, *hole);
  // What was taken once is not lost over a queue that is full just now.
  Item moved = item;
  moved.room = Room::kForMoved;
  Forward(moved, successor);
  return true;
}

}  // namespace lookback::storage
