#include "storage/picture_cache.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/log.h"

namespace lookback::storage {

PictureCache::PictureCache(std::string directory, uint64_t budget_bytes, FileSystem& files)
    : directory_(std::move(directory)), budget_bytes_(budget_bytes), files_(files) {
  if (const Status status = Empty(); !status) {
    budget_bytes_ = 0;
    LogWarning("store", "no pictures are kept in " + directory_ + ": " + status.message());
  }
}

Status PictureCache::Empty() {
  if (!Exists(files_, directory_)) return Ok();
  LB_TRY_ASSIGN(left, files_.List(directory_));
  for (const DirEntry& entry : left) {
    if (!entry.is_directory) LB_TRY(files_.Remove(JoinPath(directory_, entry.name)));
  }
  return Ok();
}

uint64_t PictureCache::mark() const {
  const std::lock_guard lock(mutex_);
  return forgotten_;
}

std::optional<Bytes> PictureCache::Get(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  auto bytes = ReadFile(files_, PathOf(*found->second), kMaxPictureBytes);
  if (!bytes || Xxh3_64(*bytes) != found->second->digest) {
    Drop(found->second);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return std::move(*bytes);
}

void PictureCache::Put(const std::string& name, const StreamId& stream, TimeUs shown_us,
                       ByteSpan picture, uint64_t mark) {
  const std::lock_guard lock(mutex_);
  if (mark != forgotten_ || by_name_.contains(name) ||
      picture.size() > std::min(budget_bytes_, kMaxPictureBytes)) {
    return;
  }
  while (!entries_.empty() &&
         (bytes_ + picture.size() > budget_bytes_ || entries_.size() >= kMaxCachedPictures)) {
    Drop(std::prev(entries_.end()));
  }
  entries_.push_front({name, stream, shown_us, picture.size(), Xxh3_64(picture)});
  by_name_[name] = entries_.begin();
  bytes_ += picture.size();
  if (!Write(PathOf(entries_.front()), picture)) Drop(entries_.begin());
}

Status PictureCache::Write(const std::string& path, ByteSpan picture) {
  LB_TRY(files_.MakeDirectories(directory_));
  LB_TRY_ASSIGN(file, files_.Open(path, OpenMode::kCreateNew));
  return file->WriteAt(0, {&picture, 1});
}

void PictureCache::Forget(const StreamId& stream, TimeRange range) {
  const std::lock_guard lock(mutex_);
  ++forgotten_;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (entry->stream == stream && range.Contains(entry->shown_us)) Drop(entry);
  }
}

uint64_t PictureCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void PictureCache::Drop(Entries::iterator entry) {
  (void)files_.Remove(PathOf(*entry));
  bytes_ -= entry->bytes;
  by_name_.erase(entry->name);
  entries_.erase(entry);
}

}  // namespace lookback::storage
