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

void VolumeWriter::RecordHole(const RunCommon& run, const void* who) {
  if (auto hole = run.stream->TakeHole(who)) records_.AddGap(run.stream, *hole);
}

void VolumeWriter::HandOn(const Item& item, const std::shared_ptr<WritingRun>& successor) {
  if (item.barrier) return item.barrier->set_value();
  WritingRun& run = *item.run;
  if (!item.fragment) {
    RecordHole(*run.common, &run);
    RecordHole(*run.common, &run.successor);
    if (successor) successor->entry->End(successor);
    return;
  }
  if (successor && successor->entry->Push(successor, item.fragment, Room::kForMoved)) return;
  const Error why = health_.trouble();
  run.common->stream->ExtendHole(&run, item.fragment->info, CauseOf(why), why.message);
}

void VolumeWriter::HandOnQueue(std::unique_lock<std::mutex>& lock) {
  handing_on_ = true;
  while (!queue_.empty()) {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    Uncount(item);
    std::shared_ptr<WritingRun> successor;
    if (item.run) {
      successor =
          item.fragment ? SuccessorFor(*item.run, item.fragment->info) : item.run->successor;
    }
    lock.unlock();
    HandOn(item, successor);
    item = Item();  // The last of a run closes its file, and a disk that hangs may keep it.
    lock.lock();
  }
  handing_on_ = false;
}

void VolumeWriter::Abandon(const Error& why) {
  health_.Enter(why);
  group_.GiveUp(why);
  ReplayUnsynced();
  std::unique_lock lock(mutex_);
  abandoned_ = stopping_ = sync_stopping_ = true;
  ready_.notify_all();
  wake_sync_.notify_all();
  if (in_hand_.run && in_hand_.fragment) {
    in_hand_.room = Room::kForMoved;  // It was uncounted when it was popped.
    queue_.push_front(in_hand_);
  }
  if (!handing_on_) HandOnQueue(lock);  // Else the writer does, which is passing something on.
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

// Where the run goes on, for what is in hand; nullptr: nowhere, or Abandon has passed it on.
std::shared_ptr<WritingRun> VolumeWriter::BeginForward(const Item& item) {
  const std::lock_guard lock(mutex_);
  if (abandoned_) return nullptr;
  auto successor = SuccessorFor(*item.run, item.fragment->info);
  if (!successor) return nullptr;
  in_hand_ = Item();
  handing_on_ = true;
  return successor;
}

void VolumeWriter::Forward(const Item& item, const std::shared_ptr<WritingRun>& successor) {
  PassOn(item, successor);
  std::unique_lock lock(mutex_);
  handing_on_ = false;
  if (abandoned_) HandOnQueue(lock);
}

// The run moved to another volume: what still comes here goes there, in order.
void VolumeWriter::PassOn(const Item& item, const std::shared_ptr<WritingRun>& successor) {
  WritingRun& run = *item.run;
  const void* const who = &run.successor;
  if (!item.fragment) {
    RecordHole(*run.common, who);
    successor->entry->End(successor);
    return;
  }
  const media::FragmentInfo& info = item.fragment->info;
  const bool inside = (info.flags & media::kContinuation) != 0;
  if ((run.dropping_moved && inside) ||
      !successor->entry->Push(successor, item.fragment, item.room)) {
    run.dropping_moved = true;
    run.common->stream->ExtendHole(who, info, index::GapCause::kDiskTooSlow,
                                   successor->entry->volume().root() + " could not keep up");
    return;
  }
  run.dropping_moved = false;
  RecordHole(*run.common, who);
}

// Of a draining volume, before a new segment: the run goes on in one that is not, if any takes it.
bool VolumeWriter::MoveOn(const Item& item) {
  const VolumeWriter* const other = find_other_(*this);
  if (!other || other->volume().draining()) return false;
  const auto successor = BeginForward(item);
  if (!successor) return false;
  RecordHole(*item.run->common, item.run.get());
  // What was taken once is not lost over a queue that is full just now.
  Item moved = item;
  moved.room = Room::kForMoved;
  Forward(moved, successor);
  return true;
}

}  // namespace lookback::storage
