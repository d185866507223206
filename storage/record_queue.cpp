#include "storage/record_queue.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"

namespace lookback::storage {

void RecordQueue::AddRun(index::Run run) { Add({std::move(run), nullptr, nullptr}); }

void RecordQueue::AddSeal(std::shared_ptr<StreamState> stream,
                          std::shared_ptr<LiveSegment> segment) {
  index::Seal row = segment->Row();
  Add({std::move(row), std::move(stream), std::move(segment)});
}

void RecordQueue::AddGap(std::shared_ptr<StreamState> stream, index::Gap gap) {
  stream->AddGap(gap);
  Add({std::move(gap), std::move(stream), nullptr});
}

void RecordQueue::Add(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < kMaxWaitingRecords) {
      waiting_.push_back(std::move(item));
      return;
    }
  }
  LogError("archive", "the ledger takes nothing, and " + std::to_string(kMaxWaitingRecords) +
                          " records wait for it; one more is given up");
  if (item.stream) LetGo(item);
}

void RecordQueue::LetGo(const Item& item) {
  if (item.segment) {
    item.stream->DropSegment(item.segment);
  } else {
    item.stream->DropGap(std::get<index::Gap>(item.record));
  }
}

void RecordQueue::Flush() {
  std::vector<Item> group;
  std::vector<index::Record> records;
  {
    const std::lock_guard lock(mutex_);
    ReleaseLocked();
    if (posted_ || waiting_.empty()) return;
    const size_t count = std::min(waiting_.size(), kMaxRecordsOfGroup);
    const auto end = waiting_.begin() + static_cast<ptrdiff_t>(count);
    group.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    posted_ = true;
  }
  records.reserve(group.size());
  for (const Item& item : group) records.push_back(item.record);
  // Shared, because a refused Post never calls, and the group must come back all the same.
  const auto held = std::make_shared<std::vector<Item>>(std::move(group));
  const Status taken =
      journal_.Post(std::move(records), [self = shared_from_this(), held](const Status& status) {
        self->Answered(std::move(*held), status);
      });
  if (!taken) Answered(std::move(*held), taken);
}

void RecordQueue::Answered(std::vector<Item> group, const Status& status) {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    if (status) {
      for (Item& item : group) {
        if (item.segment) item.segment->Recorded();
        if (item.stream) awaiting_row_.push_back(std::move(item));
      }
      ReleaseLocked();
      more = !waiting_.empty();
    } else {
      if (last_) LogError("archive", "records wait for the ledger: " + status.message());
      waiting_.insert(waiting_.begin(), std::move_iterator(group.begin()),
                      std::move_iterator(group.end()));
    }
    last_ = status;
    ++answers_;
  }
  answered_.notify_all();
  if (more) Flush();
}

void RecordQueue::ReleaseLocked() {
  if (awaiting_row_.empty() || journal_.catalog_behind()) return;
  for (const Item& item : awaiting_row_) LetGo(item);
  awaiting_row_.clear();
}

Status RecordQueue::FlushAndWait() {
  for (;;) {
    uint64_t before = 0;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty() && !posted_) return Ok();
      before = answers_;
    }
    Flush();
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return answers_ != before; });
    if (!last_) return last_;
  }
}

bool RecordQueue::idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && !posted_ && awaiting_row_.empty();
}

}  // namespace lookback::storage
