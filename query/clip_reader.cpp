#include "query/clip_reader.h"

#include <algorithm>
#include <cstring>

namespace lookback::query {

std::unique_ptr<ClipReader> IdleReaders::Take(const Clip* clip, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  auto found = idle_.end();
  for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
    if (idle->clip != clip) continue;
    if (idle->reader->HasInMemory(offset)) return Remove(idle);
    if (found == idle_.end()) found = idle;
  }
  return found == idle_.end() ? nullptr : Remove(found);
}

void IdleReaders::PutAside(const Clip* clip, std::unique_ptr<ClipReader> reader) {
  std::list<Idle> gone;  // Files are closed without the lock.
  const size_t bytes = reader->memory_bytes();
  const std::lock_guard lock(mutex_);
  idle_.push_front({clip, std::move(reader), bytes});
  memory_bytes_ += bytes;
  while (idle_.size() > kMaxIdleReaders || memory_bytes_ > kMaxIdleBytes) {
    memory_bytes_ -= idle_.back().memory_bytes;
    gone.splice(gone.begin(), idle_, std::prev(idle_.end()));
  }
}

void IdleReaders::Drop(const Clip* clip) {
  std::list<Idle> gone;
  const std::lock_guard lock(mutex_);
  for (auto idle = idle_.begin(); idle != idle_.end();) {
    const auto next = std::next(idle);
    if (idle->clip == clip) {
      memory_bytes_ -= idle->memory_bytes;
      gone.splice(gone.begin(), idle_, idle);
    }
    idle = next;
  }
}

size_t IdleReaders::count() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

size_t IdleReaders::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_bytes_;
}

std::unique_ptr<ClipReader> IdleReaders::Remove(std::list<Idle>::iterator idle) {
  auto reader = std::move(idle->reader);
  memory_bytes_ -= idle->memory_bytes;
  idle_.erase(idle);
  return reader;
}

Result<size_t> StoredClip::Read(uint64_t offset, std::span<uint8_t> into) const {
  if (offset >= size()) return size_t{0};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(into.size(), size() - offset));
  size_t done = 0;
  if (offset < head().size()) {
    done = std::min<size_t>(wanted, head().size() - offset);
    std::memcpy(into.data(), head().data() + offset, done);
  }
  if (done == wanted) return wanted;
  auto reader = readers_->Take(this, offset + done);
  if (!reader) reader = NewReader();
  if (Status read = reader->Read(offset + done, into.subspan(done, wanted - done)); !read) {
    broken_ = true;
    return Pass(read.error());
  }
  readers_->PutAside(this, std::move(reader));
  return wanted;
}

}  // namespace lookback::query
