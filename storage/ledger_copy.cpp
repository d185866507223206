#include "storage/ledger_copy.h"

#include <algorithm>

#include "base/log.h"
#include "storage/ledger_leaves.h"
#include "storage/ledger_mend.h"

namespace lookback::storage {
namespace {

constexpr uint64_t kCopiedAtOnce = 1 << 20;
constexpr size_t kMaxCopyNotes = 100;

}  // namespace

void LedgerCopy::Note(std::string note) {
  LogError("ledger", note);
  const std::lock_guard lock(mutex_);
  if (notes_.size() < kMaxCopyNotes) notes_.push_back(std::move(note));
}

std::vector<std::string> LedgerCopy::notes() const {
  const std::lock_guard lock(mutex_);
  return notes_;
}

Status LedgerCopy::Round() {
  Status done = TryRound();
  if (begin_again_) {
    begin_again_ = false;
    done = TryRound();
  }
  if (done) return done;
  suspect_ = suspect_ || current_ != nullptr;
  current_.reset();
  leaves_.reset();
  return done;
}

Status LedgerCopy::TryRound() {
  LB_TRY_ASSIGN(directory, parts_.volume.LedgerDirectory());
  const std::vector<LedgerFile> list = parts_.ledger.Files();
  if (!prepared_) LB_TRY(Prepare(directory, list));
  for (const LedgerFile& file : list) {
    if (file.first_number < at_) continue;
    LB_TRY(Follow(directory, file, &file == &list.back()));
  }
  return Ok();
}

Status LedgerCopy::Prepare(const std::string& directory, const std::vector<LedgerFile>& list) {
  LB_TRY_ASSIGN(entries, parts_.files.List(directory));
  std::string strange;
  for (const DirEntry& entry : entries) {
    uint64_t first = 0;
    if (entry.is_directory) continue;
    if (entry.name.ends_with(".new")) LB_TRY(parts_.files.Remove(JoinPath(directory, entry.name)));
    if (!ParseLedgerFileName(entry.name, first)) continue;
    const bool known = std::any_of(list.begin(), list.end(), [first](const LedgerFile& file) {
      return file.first_number == first;
    });
    if (!known) strange = entry.name;
  }
  at_ = leaves_end_ = check_at_ = 0;
  held_ = 0;
  if (!strange.empty()) LB_TRY(SetApart(directory, "has a file " + strange + " that it has not"));
  begin_again_ = false;
  prepared_ = true;
  return Ok();
}

Status LedgerCopy::Follow(const std::string& directory, const LedgerFile& file, bool last) {
  const std::string path = JoinPath(directory, LedgerFileName(file.first_number));
  if (at_ != file.first_number) {
    current_.reset();
    suspect_ = false;
    at_ = file.first_number;
  }
  LB_TRY(LookAtCurrent(path, file));
  bool complete = false;
  if (!current_ && !last && !suspect_) {
    const auto there = parts_.files.Stat(path);
    complete = there && there->size == file.good_bytes;
  }
  if (!complete) {
    if (!current_) LB_TRY(OpenFor(path, file, last));
    LB_TRY(Append(file));
  }
  held_ = std::max<uint64_t>(held_, file.end_number);
  return CopyLeaves(directory, file);
}

// Whether what is open is what stands there: files may be taken away behind our back.
Status LedgerCopy::LookAtCurrent(const std::string& path, const LedgerFile& file) {
  if (!current_) return Ok();
  const auto there = parts_.files.Stat(path);
  if (!there && there.code() != Code::kNotFound) return Pass(there.error());
  if (there && there->size == current_bytes_) return Ok();
  held_ = std::min<uint64_t>(held_, file.first_number);
  current_.reset();
  leaves_.reset();
  return Ok();
}

// Opens the copy of `file`, which is made when it is not there, as far as it
// is known to be the same.
Status LedgerCopy::OpenFor(const std::string& path, const LedgerFile& file, bool last) {
  FileSystem& files = parts_.files;
  const std::string directory = path.substr(0, path.rfind('/'));
  if (!Exists(files, path)) {
    LB_TRY_ASSIGN(made, files.Open(path, OpenMode::kCreateNew));
    LB_TRY(files.SyncDirectory(directory));
    suspect_ = false;
    current_bytes_ = 0;
    current_ = std::move(made);
    return Ok();
  }
  LB_TRY_ASSIGN(there, files.Stat(path));
  bool same = !suspect_ && there.size <= file.good_bytes;
  if (same) {
    LB_TRY_ASSIGN(equal, Same(path, file, there.size));
    same = equal;
  }
  if (!same) LB_TRY(Settle(path, file, last));
  suspect_ = false;
  LB_TRY_ASSIGN(opened, files.Open(path, OpenMode::kReadWrite));
  // What an earlier process or round made may be in the kernel's memory only.
  LB_TRY(opened->Sync());
  LB_TRY(files.SyncDirectory(directory));
  LB_TRY_ASSIGN(size, opened->Size());
  current_bytes_ = size;
  current_ = std::move(opened);
  return Ok();
}

Status LedgerCopy::Append(const LedgerFile& file) {
  if (current_bytes_ >= file.good_bytes) return Ok();
  const auto source = parts_.files.Open(file.path, OpenMode::kRead);
  if (!source && source.code() == Code::kNotFound) return Ok();  // Lost, and told by the ledger.
  if (!source) return Pass(source.error());
  Bytes piece;
  for (uint64_t at = current_bytes_; at < file.good_bytes; at += piece.size()) {
    piece.resize(static_cast<size_t>(std::min(kCopiedAtOnce, file.good_bytes - at)));
    LB_TRY_ASSIGN(read, (*source)->ReadAt(at, piece));
    if (read < piece.size()) return Fail(Code::kCorrupt, file.path + " is shorter than it was");
    const ByteSpan part(piece);
    LB_TRY(current_->WriteAt(at, std::span(&part, 1)));
  }
  LB_TRY(current_->Sync());
  current_bytes_ = file.good_bytes;
  return Ok();
}

// As in the ledger, leaves are written behind the sync of their records,
// and need none of their own.
Status LedgerCopy::CopyLeaves(const std::string& directory, const LedgerFile& file) {
  const std::string path = JoinPath(directory, kLeavesFile);
  if (!leaves_) {
    if (!Exists(parts_.files, path)) {
      LB_TRY_ASSIGN(made, parts_.files.Open(path, OpenMode::kCreateNew));
    }
    LB_TRY(parts_.files.SyncDirectory(directory));
    LB_TRY_ASSIGN(opened, parts_.files.Open(path, OpenMode::kReadWrite));
    LB_TRY_ASSIGN(size, opened->Size());
    // Those of finished files were synced; the last file's may have been torn.
    leaves_end_ = std::min(size / kLeafBytes, parts_.ledger.Files().back().first_number);
    leaves_ = std::move(opened);
  }
  while (leaves_end_ < file.end_number) {
    const uint64_t end = std::min(leaves_end_ + kLeavesAtOnce, file.end_number);
    LB_TRY_ASSIGN(leaves, parts_.ledger.Leaves(leaves_end_, end));
    const ByteSpan part(leaves);
    LB_TRY(leaves_->WriteAt(leaves_end_ * kLeafBytes, std::span(&part, 1)));
    leaves_end_ = end;
    if (end == file.end_number && parts_.ledger.size() > end) LB_TRY(leaves_->Sync());
  }
  return Ok();
}

void LedgerCopy::SyncLeaves() {
  if (leaves_ && !leaves_->Sync()) leaves_.reset();
}

void LedgerCopy::CloseFiles() {
  current_.reset();
  leaves_.reset();
}

Result<bool> LedgerCopy::Same(const std::string& path, const LedgerFile& file,
                              uint64_t bytes) const {
  // One that is gone is mended as one that is damaged.
  if (!Exists(parts_.files, file.path) || !Exists(parts_.files, path)) return false;
  LB_TRY_ASSIGN(left, parts_.files.Open(file.path, OpenMode::kRead));
  LB_TRY_ASSIGN(right, parts_.files.Open(path, OpenMode::kRead));
  Bytes a, b;
  for (uint64_t at = 0; at < bytes; at += a.size()) {
    a.resize(static_cast<size_t>(std::min(kCopiedAtOnce, bytes - at)));
    b.resize(a.size());
    LB_TRY_ASSIGN(of_left, left->ReadAt(at, a));
    LB_TRY_ASSIGN(of_right, right->ReadAt(at, b));
    if (of_left < a.size() || of_right < b.size() || a != b) return false;
  }
  return true;
}

// The copy at `path` is not what the ledger has there. Either is damaged, or they disagree.
Status LedgerCopy::Settle(const std::string& path, const LedgerFile& file, bool last) {
  FileSystem& files = parts_.files;
  const std::string directory = path.substr(0, path.rfind('/'));
  LB_TRY_ASSIGN(theirs, WholeRecords(path, file.first_number, file.end_number, files));
  LB_TRY_ASSIGN(ours, WholeRecords(file.path, file.first_number, file.end_number, files));
  bool more = false;
  for (const auto& [number, leaf] : theirs) {
    const auto own = ours.find(number);
    more = more || own == ours.end();
    if (own == ours.end() || own->second == leaf) continue;
    return SetApart(directory, "has another record " + std::to_string(number));
  }
  if (more && !last) {
    const std::lock_guard lock(parts_.mending);
    LB_TRY_ASSIGN(copy, Ledger::OpenReadOnly(directory, files, &parts_.store));
    LB_TRY_ASSIGN(mended, MendLedgerFile(parts_.ledger_directory, parts_.store, file.first_number,
                                         file.end_number, {copy.get()}, files));
    if (mended > 0) {
      Note(std::to_string(mended) + " damaged records of " + file.path + " were mended from " +
           path);
    }
    LB_TRY_ASSIGN(now, WholeRecords(file.path, file.first_number, file.end_number, files));
    ours = std::move(now);
    more = std::any_of(theirs.begin(), theirs.end(),
                       [&](const auto& record) { return !ours.contains(record.first); });
  }
  if (more) {
    return Fail(Code::kCorrupt,
                file.path + " has lost records that " + path + " has: the next start mends it");
  }
  if (theirs.size() < ours.size() && !theirs.empty() && !suspect_) {
    Note(path + " was damaged or short, and is made anew from the ledger");
  }
  LB_TRY_ASSIGN(source, files.Open(file.path, OpenMode::kRead));
  LB_TRY_ASSIGN(fresh, FileReplacement::Begin(path, files));
  LB_TRY(fresh.AppendFrom(*source, 0, file.good_bytes));
  return fresh.Finish();
}

Status LedgerCopy::SetApart(const std::string& directory, const std::string& why) {
  current_.reset();
  leaves_.reset();
  LB_TRY_ASSIGN(apart, SetLedgerApart(directory, parts_.epoch, parts_.files));
  prepared_ = false;
  held_ = 0;  // What was set apart counts for no hold.
  suspect_ = false;
  begin_again_ = true;
  set_apart_ = true;
  Note("the copy of the ledger on " + parts_.volume.root() + " disagrees with it (it " + why +
       "): its files are kept in " + apart + ", and a new copy is made");
  return Fail(Code::kConflict, "the copy of the ledger was set apart");
}

Result<bool> LedgerCopy::CheckOne() {
  const std::vector<LedgerFile> list = parts_.ledger.Files();
  const auto next = std::find_if(list.begin(), list.end(), [this](const LedgerFile& file) {
    return file.first_number >= check_at_;
  });
  if (!prepared_ || next == list.end() || next + 1 == list.end() || at_ <= next->first_number) {
    return false;
  }
  LB_TRY_ASSIGN(directory, parts_.volume.LedgerDirectory());
  const std::string path = JoinPath(directory, LedgerFileName(next->first_number));
  LB_TRY_ASSIGN(same, Same(path, *next, next->good_bytes));
  if (!same) LB_TRY(Settle(path, *next, /*last=*/false));
  check_at_ = (next + 1)->first_number;
  return true;
}

}  // namespace lookback::storage
