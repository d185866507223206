#include "storage/volume_set.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/layout.h"
#include "storage/recovery.h"
#include "storage/settle_copies.h"
#include "storage/volume_contents.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kDefaultVolumeFolder = "volume";
constexpr size_t kLostOfGroup = 1'024;  // Each makes two records at most.

bool IsBelow(const std::string& path, const std::string& root) {
  return path.starts_with(root + "/");
}

}  // namespace

Status VolumeSet::Open(const std::vector<std::string>& asked_roots, StoreFile& file,
                       DataDirectory& directory) {
  directory_ = &directory;
  std::vector<std::string> roots;
  for (const auto& known : file.volumes) roots.push_back(known.root);
  for (const std::string& asked : asked_roots) {
    const std::string root = AbsolutePath(asked);
    if (std::find(file.removed.begin(), file.removed.end(), root) == file.removed.end()) {
      roots.push_back(root);
      continue;
    }
    LogWarning("store", root +
                            " was removed from the store and is left alone; `lookback volume "
                            "add` takes it again");
  }
  if (roots.empty()) roots.push_back(AbsolutePath(JoinPath(data_, kDefaultVolumeFolder)));

  std::vector<StoreFile::KnownVolume> now;
  for (const std::string& root : roots) {
    const auto same_root = [&root](const StoreFile::KnownVolume& v) { return v.root == root; };
    if (std::any_of(now.begin(), now.end(), same_root)) continue;
    const auto known = std::find_if(file.volumes.begin(), file.volumes.end(), same_root);
    const Uuid* const id = known == file.volumes.end() ? nullptr : &known->id;
    LB_TRY_ASSIGN(volume, OpenLocalVolume(root, file.store, id, files_));

    // A volume may have been mounted elsewhere: then its new place stands for the old one.
    const auto same_id =
        std::find_if(now.begin(), now.end(), [&](const auto& v) { return v.id == volume->id(); });
    if (same_id == now.end()) {
      now.push_back({root, volume->id(), known != file.volumes.end() && known->draining});
      volumes_.push_back(std::move(volume));
      continue;
    }
    auto& before = volumes_[static_cast<size_t>(same_id - now.begin())];
    if (before->state() != VolumeState::kOffline) {
      return Fail(Code::kInvalid, same_id->root + " and " + root + " both hold volume " +
                                      volume->id().text() + "; one is a copy of the other");
    }
    same_id->root = root;
    before = std::move(volume);
  }
  for (size_t i = 0; i < now.size(); ++i) volumes_[i]->SetDraining(now[i].draining);
  file.volumes = std::move(now);
  // Before anything is recorded on it, a volume is known: if it is absent later, it is missed.
  return directory.Write(file);
}

void VolumeSet::Start(const Parts& parts) {
  {
    const std::lock_guard lock(change_);
    parts_ = std::make_unique<Parts>(parts);
  }
  thread_ = std::thread([this] { Work(); });
}

void VolumeSet::Stop() {
  {
    const std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(change_);
  parts_.reset();
}

std::vector<Volume*> VolumeSet::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Volume*> all;
  for (const auto& volume : volumes_) {
    if (volume->state() != VolumeState::kRemoved) all.push_back(volume.get());
  }
  return all;
}

Volume* VolumeSet::Find(const Uuid& id) const {
  const auto all = All();
  const auto found =
      std::find_if(all.begin(), all.end(), [&id](const Volume* v) { return v->id() == id; });
  return found == all.end() ? nullptr : *found;
}

Result<Volume*> VolumeSet::Known(const Uuid& id) const {
  if (Volume* const volume = Find(id)) return volume;
  return Fail(Code::kNotFound, "the store has no volume " + id.text());
}

Status VolumeSet::CheckRunning() const {
  return parts_ ? Ok() : Fail(Code::kUnavailable, "the store is starting or stopping");
}

// A look that a stop cut short has not seen all.
Status VolumeSet::CheckGoesOn() const {
  return stopping_ ? Fail(Code::kUnavailable, "the store is stopping") : Ok();
}

VolumeContents VolumeSet::ContentsOf(const Uuid& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = contents_.find(id);
  return found == contents_.end() ? VolumeContents() : found->second;
}

// A path that is mistyped, or whose disk is not mounted, must not become a volume
// of the system's disk.
Status VolumeSet::CheckPlace(const std::string& root) const {
  for (const Volume* volume : All()) {
    if (volume->root() == root) {
      return Fail(Code::kConflict, root + " is a volume of this store already");
    }
    if (IsBelow(root, volume->root()) || IsBelow(volume->root(), root)) {
      return Fail(Code::kInvalid,
                  root + " and volume " + volume->root() + " are one inside of the other");
    }
  }
  const auto there = files_.Stat(root);
  if (!there && there.code() == Code::kNotFound) {
    return Fail(Code::kNotFound, "there is no directory " + root + "; mount its disk, or make it");
  }
  if (!there) return Pass(there.error());
  return CheckVolume(root, &directory_->file().store, files_);
}

// Two volumes on one disk give no second copy and no more space; and a mount point whose disk is
// not mounted is on the system's.
std::string VolumeSet::SharesDiskWith(const std::string& root) const {
  const auto own = files_.Stat(root);
  if (!own) return "";
  std::vector<std::string> others = {data_};
  for (const Volume* volume : All()) others.push_back(volume->root());
  for (const std::string& other : others) {
    const auto there = files_.Stat(other);
    if (other != root && there && there->device == own->device) {
      return root + " is on the same file system as " + other + ": is its disk mounted?";
    }
  }
  return "";
}

Status VolumeSet::PutOnRecord(std::optional<index::Act> act) {
  return act ? parts_->journal.Commit({*std::move(act)}) : Ok();
}

Result<VolumeAdded> VolumeSet::Add(const std::string& asked, std::optional<index::Act> act) {
  const std::lock_guard lock(change_);
  LB_TRY(CheckRunning());
  if (!asked.starts_with("/")) {
    return Fail(Code::kInvalid, "\"" + asked + "\" is not an absolute path");
  }
  const std::string root = AbsolutePath(asked);
  if (volumes_.size() == kMaxVolumes) {
    return Fail(Code::kConflict, "there were " + std::to_string(kMaxVolumes) +
                                     " volumes since the start; a restart forgets those removed");
  }
  LB_TRY(CheckPlace(root));
  LB_TRY(PutOnRecord(std::move(act)));
  LB_TRY_ASSIGN(volume, OpenLocalVolume(root, directory_->file().store, nullptr, files_));
  if (const Volume* same = Find(volume->id())) {
    return Fail(Code::kConflict, root + " holds volume " + volume->id().text() + ", which is at " +
                                     same->root() +
                                     ": mount it there, or start the server with --volume " + root);
  }
  if (volume->state() != VolumeState::kOnline) {
    return Fail(Code::kDiskFailed, root + " takes no writes; the server's log says why");
  }
  StoreFile file = directory_->file();
  file.volumes.push_back({root, volume->id()});
  std::erase(file.removed, root);
  LB_TRY(directory_->Write(file));
  Volume& added = *volume;
  {
    const std::lock_guard list(mutex_);
    volumes_.push_back(std::move(volume));
  }
  parts_->archive.Use(added);
  Begin(added);
  LogInfo("store", root + " was added, as volume " + added.id().text());
  VolumeAdded answer{added.id(), SharesDiskWith(root)};
  if (!answer.warning.empty()) LogWarning("store", answer.warning);
  return answer;
}

// What its files and its copy of the ledger say is brought together with what the store knows.
void VolumeSet::Begin(Volume& volume) {
  if (parts_->copies) parts_->copies->Follow(volume);
  parts_->recovery.CheckToo(volume);
}

bool VolumeSet::AnotherTakes(const Volume& volume) const {
  const auto troubles = parts_->archive.Troubles();
  const auto all = All();
  return std::any_of(all.begin(), all.end(), [&](const Volume* other) {
    return other != &volume && other->state() == VolumeState::kOnline && !other->draining() &&
           std::none_of(troubles.begin(), troubles.end(),
                        [&](const VolumeTrouble& t) { return t.root == other->root(); });
  });
}

Status VolumeSet::SetDraining(const Uuid& id, bool draining, std::optional<index::Act> act) {
  const std::lock_guard lock(change_);
  LB_TRY(CheckRunning());
  LB_TRY_ASSIGN(volume, Known(id));
  if (volume->draining() == draining) return Ok();
  if (draining && !AnotherTakes(*volume)) {
    return Fail(Code::kConflict, "no other volume takes footage: " + volume->root() +
                                     " is the last one; add another one first");
  }
  LB_TRY(PutOnRecord(std::move(act)));
  StoreFile file = directory_->file();
  for (auto& known : file.volumes) {
    if (known.id == id) known.draining = draining;
  }
  LB_TRY(directory_->Write(file));
  volume->SetDraining(draining);
  LogInfo("store", volume->root() + (draining ? " is being drained" : " takes footage again"));
  return Ok();
}

// The files first: they are the truth, and there is one at once where something is recorded.
Status VolumeSet::CheckHoldsNothing(Volume& volume) const {
  std::string file;
  const auto visit = [&](const Volume::Found& found) {
    if (!found.stray) file = found.path;
    return file.empty() && !stopping_;
  };
  LB_TRY(volume.VisitFiles(visit, Volume::EveryDay));
  if (!file.empty()) {
    return Fail(Code::kConflict,
                volume.root() + " still holds footage, as " + file +
                    "; retention takes it in its time, and what is held when it is released");
  }
  LB_TRY(CheckGoesOn());
  std::string row;
  LB_TRY(VisitRowsOf(volume, [&row](const index::Seal& seal) {
    row = SegmentPath(index::KeyOf(seal));
    return false;
  }));
  if (row.empty()) return Ok();
  return Fail(Code::kConflict,
              volume.root() + " has footage on record, as " + row + ", whose file is gone");
}

// Those that are on record as being on the volume.
Status VolumeSet::VisitRowsOf(const Volume& volume,
                              const std::function<bool(const index::Seal&)>& visit) const {
  Status goes_on = Ok();
  LB_TRY(parts_->catalog.VisitAllSegments(volume.id(), [&](const index::Seal& seal, bool here) {
    goes_on = CheckGoesOn();
    return goes_on && (!here || visit(seal));
  }));
  return goes_on;
}

// A hold is in force on two disks, or on all there are.
Status VolumeSet::CheckAnotherCopy(const Volume& volume) const {
  if (!parts_->copies) return Ok();
  const uint64_t records = parts_->ledger.size();
  for (const Volume* other : All()) {
    if (other == &volume || other->state() != VolumeState::kOnline) continue;
    if (parts_->copies->AwaitOn(other->id(), records, kHoldCopyWaitUs)) return Ok();
  }
  return Fail(Code::kUnavailable, "no other volume has a whole copy of the ledger yet");
}

// What is on record now as being on the volume: a copy elsewhere takes its place, or it is MISSING,
// so that timelines say where footage was and what became of it.
Status VolumeSet::DeclareLost(const Volume& volume) {
  std::vector<index::SegmentKey> group;
  Status committed = Ok();
  uint64_t count = 0;
  const auto commit = [&] {
    count += group.size();
    if (!group.empty()) committed = CommitLost(volume, std::exchange(group, {}));
    return committed.has_value();
  };
  LB_TRY(VisitRowsOf(volume, [&](const index::Seal& seal) {
    group.push_back(index::KeyOf(seal));
    return group.size() < kLostOfGroup || commit();
  }));
  if (committed) (void)commit();
  LogError("store", volume.root() + " is given up as lost: of " + std::to_string(count) +
                        " segments a file is gone");
  return committed;
}

Status VolumeSet::CommitLost(const Volume& volume, const std::vector<index::SegmentKey>& group) {
  const std::lock_guard lock(parts_->delete_mutex);
  std::vector<index::Record> records;
  for (const index::SegmentKey& key : group) {
    LB_TRY_ASSIGN(row, parts_->catalog.FindSegment(key));
    if (!row) continue;  // Deleted meanwhile.
    LB_TRY_ASSIGN(here, parts_->catalog.IsOn(*row, volume.id()));
    if (!here) continue;
    LB_TRY_ASSIGN(loss, LossOf(volume, *row, All(), parts_->catalog, /*for_good=*/true));
    std::move(loss.records.begin(), loss.records.end(), std::back_inserter(records));
  }
  return records.empty() ? Ok() : parts_->journal.Commit(std::move(records));
}

Status VolumeSet::Remove(const Uuid& id, bool lost, std::optional<index::Act> act) {
  const std::lock_guard lock(change_);
  LB_TRY(CheckRunning());
  LB_TRY_ASSIGN(volume, Known(id));
  const std::string& root = volume->root();
  const std::string state(VolumeStateName(volume->state()));
  const bool away = volume->state() != VolumeState::kOnline;
  if (away && !lost) {
    return Fail(Code::kConflict, root + " is " + state +
                                     ": what it holds cannot be seen. It is removed only as lost");
  }
  if (!away && lost) {
    return Fail(Code::kConflict,
                root + " is " + state + ", and not lost: it is drained before it is removed");
  }
  if (!away && !volume->draining()) {
    return Fail(Code::kConflict, root + " is in use: it is drained before it is removed");
  }
  const auto look = [&]() -> Status {
    if (!away) {
      if (!AnotherTakes(*volume)) return Fail(Code::kConflict, "no other volume takes footage");
      LB_TRY(CheckHoldsNothing(*volume));
      LB_TRY(CheckAnotherCopy(*volume));
    }
    LB_TRY(PutOnRecord(std::move(act)));
    return away ? DeclareLost(*volume) : Ok();
  };
  volume->RefuseNew(true);
  Status done = look();
  if (done) {
    StoreFile file = directory_->file();
    std::erase_if(file.volumes, [&id](const auto& known) { return known.id == id; });
    std::erase(file.removed, root);
    file.removed.push_back(root);
    done = directory_->Write(file);
  }
  if (!done) {
    volume->RefuseNew(false);
    return done;
  }
  volume->SetRemoved();
  if (parts_->copies) parts_->copies->Leave(*volume);
  LogInfo("store", root + " was removed; its disk may be taken away");
  return Ok();
}

void VolumeSet::Look() {
  const std::lock_guard looking(look_mutex_);
  if (!parts_) return;
  for (Volume* volume : All()) {
    // Not under the lock of changes: a disk that is not well may keep whoever asks it.
    if (volume->state() != VolumeState::kOffline || !volume->Return()) continue;
    const std::lock_guard lock(change_);
    if (volume->state() == VolumeState::kRemoved) continue;
    LogInfo("store", volume->root() + " is back");
    Begin(*volume);
    returned_.push_back(volume);
  }
  FreezeWhereLedgersDisagree();
  Count();
}

// A copy that says something else may know holds that the ledger lost while the volume was away.
void VolumeSet::FreezeWhereLedgersDisagree() {
  if (!parts_->copies || returned_.empty()) return;
  for (const LedgerCopyState& copy : parts_->copies->States()) {
    const auto back = std::find_if(returned_.begin(), returned_.end(),
                                   [&](const Volume* v) { return v->id() == copy.volume; });
    if (back == returned_.end()) continue;
    if (copy.set_apart) {
      index::Rebuilt rebuilt;
      rebuilt.ledger_lost = true;
      if (!parts_->journal.Commit({rebuilt})) continue;
      LogError("store", "the copy of the ledger on " + copy.root +
                            " disagrees: nothing is deleted until the policies are confirmed");
    } else if (copy.records == 0 || !copy.trouble.empty()) {
      continue;
    }
    returned_.erase(back);
  }
}

void VolumeSet::Count() {
  const int64_t began_us = clock_.MonotonicUs();
  if (began_us < next_count_us_) return;
  auto counted =
      CountContents(parts_->catalog, All(), clock_.NowUs(), [this] { return !stopping_; });
  const int64_t took_us = clock_.MonotonicUs() - began_us;
  next_count_us_ = began_us + took_us + std::max(kCountIntervalUs, kCountRests * took_us);
  if (!counted || stopping_) return;
  const std::lock_guard lock(mutex_);
  contents_ = *std::move(counted);
}

void VolumeSet::Work() {
  NameThisThread("volume-look");
  LowerThisThread();
  std::unique_lock lock(wake_mutex_);
  while (!stopping_) {
    lock.unlock();
    Look();
    lock.lock();
    wake_.wait_for(lock, std::chrono::microseconds(kVolumeLookUs),
                   [this] { return stopping_.load(); });
  }
}

}  // namespace lookback::storage
