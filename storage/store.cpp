#include "storage/store.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include "base/log.h"
#include "storage/data_directory.h"
#include "storage/hold_gate.h"
#include "storage/layout.h"
#include "storage/ledger_restore.h"
#include "storage/recovery.h"
#include "storage/store_catalog.h"
#include "storage/volume_set.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kLedgerFolder = "ledger";
constexpr std::string_view kPictureFolder = "pictures";

class StoreImpl : public Store {
 public:
  StoreImpl(StoreOptions options, Clock& clock, FileSystem& files)
      : options_(std::move(options)), clock_(clock), files_(files) {}
  ~StoreImpl() override { Close(); }

  Status Start();

  const Uuid& id() const override { return file_.store; }
  uint32_t epoch() const override { return file_.epoch; }
  const LastUse& last_use() const override { return last_use_; }
  const std::string& data() const override { return options_.data; }
  RecoveryReport recovery() const override { return recovery_->report(); }
  void WaitForRecovery() override { recovery_->Wait(); }

  Archive& archive() override { return *archive_; }
  const index::Catalog& catalog() const override { return *catalog_; }
  Journal& journal() override { return *journal_; }
  const Ledger& ledger() const override { return *ledger_; }
  MerkleTree& ledger_tree() override { return tree_; }
  std::vector<LedgerCopyState> ledger_copies() const override {
    return copies_ ? copies_->States() : std::vector<LedgerCopyState>();
  }
  PictureCache& pictures() override { return *pictures_; }
  std::vector<Volume*> volumes() override {
    return volumes_ ? volumes_->All() : std::vector<Volume*>();
  }
  VolumeContents ContentsOf(const Uuid& volume) const override {
    return volumes_->ContentsOf(volume);
  }
  Result<VolumeAdded> AddVolume(const std::string& root, std::optional<index::Act> act) override {
    return volumes_->Add(root, std::move(act));
  }
  Status SetDraining(const Uuid& volume, bool draining, std::optional<index::Act> act) override {
    return volumes_->SetDraining(volume, draining, std::move(act));
  }
  Status RemoveVolume(const Uuid& volume, bool lost, std::optional<index::Act> act) override {
    return volumes_->Remove(volume, lost, std::move(act));
  }
  void LookForVolumes() override { volumes_->Look(); }

  Status PutMarker(index::Marker marker, std::optional<index::Act> act) override {
    return gate_->PutMarker(std::move(marker), std::move(act));
  }
  Status AwaitSecondCopy() override { return gate_->AwaitSecondCopy(); }
  Status DeleteSegment(const index::Seal& segment, const std::string& policy,
                       const std::string& reason) override {
    return gate_->DeleteSegment(segment, policy, reason);
  }
  Status ThinSegment(const index::Seal& thinned, const std::string& policy,
                     const std::string& reason) override {
    return gate_->ThinSegment(thinned, policy, reason);
  }
  Status RecordCopy(const index::Copy& copy) override { return gate_->RecordCopy(copy); }
  void Close() override;

 private:
  LedgerPlaces Places() const;
  Result<LedgerRestored> OpenLedger(RecoveryReport& report);
  Status MendWhatIsReplayed(RecoveryReport& report);
  void StartCopies();
  Status PassNewestEpoch();
  Status CommitRebuilt(bool ledger_lost);
  void NoteClosed();

  const StoreOptions options_;
  Clock& clock_;
  FileSystem& files_;
  std::unique_ptr<DataDirectory> directory_;
  StoreFile file_;
  LastUse last_use_;
  std::unique_ptr<VolumeSet> volumes_;
  std::unique_ptr<Ledger> ledger_;
  MerkleTree tree_{[this](uint64_t first, uint64_t end) { return ledger_->Leaves(first, end); }};
  std::unique_ptr<index::Catalog> catalog_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<LedgerCopies> copies_;  // nullptr: none are kept.
  std::unique_ptr<Archive> archive_;
  std::unique_ptr<Recovery> recovery_;
  // Holds and what loses footage take turns, from the look at the one to the record of the other.
  std::mutex hold_mutex_;
  std::unique_ptr<PictureCache> pictures_;
  std::unique_ptr<HoldGate> gate_;
};

Status StoreImpl::Start() {
  LB_TRY(CheckAskedVolumes(options_.data, options_.volumes, files_));
  LB_TRY_ASSIGN(directory, DataDirectory::Open(options_.data, files_));
  directory_ = std::move(directory);
  file_ = directory_->file();
  last_use_ = file_.last_use;
  volumes_ = std::make_unique<VolumeSet>(options_.data, clock_, files_);
  LB_TRY(volumes_->Open(options_.volumes, file_, *directory_));

  RecoveryReport report;
  LB_TRY_ASSIGN(restored, OpenLedger(report));
  const uint32_t last_marked_epoch = file_.marked_epoch;
  const uint64_t last_mark = file_.ledger_mark;
  file_.marked_epoch = file_.epoch;
  file_.ledger_mark = ledger_->size();

  bool ledger_lost = ledger_->size() < last_mark || restored.in_doubt;
  LB_TRY_ASSIGN(catalog, OpenCatalog({options_.data, file_.store, file_.epoch, !restored.replaced},
                                     *ledger_, files_, report));
  catalog_ = std::move(catalog);
  LB_TRY(MendWhatIsReplayed(report));
  LB_TRY_ASSIGN(journal, Journal::Start(*ledger_, *catalog_, options_.commit_wait_us));
  journal_ = std::move(journal);
  if (const uint64_t lost = journal_->lost_records(); lost > 0) {
    ledger_lost = true;
    report.notes.push_back(std::to_string(lost) +
                           " ledger records are damaged, and what they said is not known; nothing "
                           "is deleted until the policies are confirmed");
    LogError("store", report.notes.back());
  }
  if (report.catalog_rebuilt || ledger_lost) LB_TRY(CommitRebuilt(ledger_lost));

  LB_TRY(PassNewestEpoch());
  Recovery::Parts parts;
  parts.store = file_.store;
  parts.epoch = file_.epoch;
  parts.marked_epoch = last_marked_epoch;
  parts.ledger_mark = std::min(last_mark, ledger_->size());
  parts.volumes = [this] { return volumes(); };
  parts.ledger = ledger_.get();
  parts.journal = journal_.get();
  parts.catalog = catalog_.get();
  parts.delete_mutex = &hold_mutex_;
  parts.clock = &clock_;
  recovery_ = Recovery::Make(std::move(parts), std::move(report));
  recovery_->RunNewest(kRecoveryBudgetUs);
  // Only now: until the last epoch's segments are settled, its mark is the one to read from; and a
  // start that fails before leaves it said how the last use ended.
  if (options_.recording) file_.last_use = {options_.version, /*closed=*/false};
  LB_TRY(directory_->Write(file_));

  Archive::Options archiving;
  archiving.store = file_.store;
  archiving.epoch = file_.epoch;
  archiving.sync_interval_us = options_.sync_interval_us;
  LB_TRY_ASSIGN(archive, Archive::Start(archiving, volumes(), *journal_, *catalog_, clock_));
  archive_ = std::move(archive);
  StartCopies();
  pictures_ = std::make_unique<PictureCache>(JoinPath(options_.data, kPictureFolder),
                                             kPictureCacheBytes, files_);
  gate_ = std::make_unique<HoldGate>(
      HoldGate::Parts{*ledger_, *catalog_, *journal_, *archive_, *pictures_, copies_.get(),
                      [this] { return volumes(); }, clock_, hold_mutex_});
  recovery_->StartRest();
  volumes_->Start(
      {*archive_, copies_.get(), *recovery_, *catalog_, *journal_, *ledger_, hold_mutex_});
  return Ok();
}

LedgerPlaces StoreImpl::Places() const {
  LedgerPlaces places;
  places.ledger = JoinPath(options_.data, kLedgerFolder);
  places.store = file_.store;
  places.epoch = file_.epoch;
  for (const Volume* volume : volumes_->All()) {
    if (!options_.copy_ledger || volume->state() == VolumeState::kOffline) continue;
    places.copies.push_back(LedgerCopyPath(volume->root()));
  }
  return places;
}

Result<LedgerRestored> StoreImpl::OpenLedger(RecoveryReport& report) {
  const LedgerPlaces places = Places();
  LedgerRestored restored;
  if (!places.copies.empty()) {
    LB_TRY_ASSIGN(done, RestoreLedger(places, files_));
    restored = std::move(done);
  }
  LB_TRY_ASSIGN(
      ledger, Ledger::Open(places.ledger, file_.store, clock_, files_, options_.ledger_file_bytes));
  ledger_ = std::move(ledger);
  report.ledger_torn_bytes = ledger_->torn_bytes();
  report.ledger_mended_records = restored.records;
  report.notes = restored.notes;
  return restored;
}

// A catalog that is made from older files, which a start does not look at, is made from whole ones.
Status StoreImpl::MendWhatIsReplayed(RecoveryReport& report) {
  const LedgerPlaces places = Places();
  const auto list = ledger_->Files();
  if (places.copies.empty() || list.empty()) return Ok();
  if (catalog_->position() >= list.back().first_number) return Ok();
  LB_TRY_ASSIGN(mended, MendLedger(places, catalog_->position(), files_));
  if (mended == 0) return Ok();
  report.ledger_mended_records += mended;
  report.notes.push_back(std::to_string(mended) +
                         " damaged records of the ledger were mended from its copies");
  LogError("store", report.notes.back());
  ledger_.reset();
  LB_TRY_ASSIGN(
      ledger, Ledger::Open(places.ledger, file_.store, clock_, files_, options_.ledger_file_bytes));
  ledger_ = std::move(ledger);
  return Ok();
}

void StoreImpl::StartCopies() {
  if (!options_.copy_ledger) return;
  copies_ = LedgerCopies::Start({*ledger_, JoinPath(options_.data, kLedgerFolder), file_.store,
                                 file_.epoch, volumes(), clock_, files_});
}

// A store.json that was put back from a copy would give epochs a second time, and recovery takes
// files of the present epoch for the archive's own.
Status StoreImpl::PassNewestEpoch() {
  const uint32_t newest = NewestEpoch(*catalog_, volumes());
  if (newest < file_.epoch) return Ok();
  if (newest == UINT32_MAX) return Fail(Code::kInvalid, options_.data + " has used all its epochs");
  LogError("store", options_.data + "/store.json is older than the footage: it gave epoch " +
                        std::to_string(file_.epoch) + ", but there is footage of epoch " +
                        std::to_string(newest));
  StoreFile raised = directory_->file();
  file_.epoch = file_.marked_epoch = raised.epoch = newest + 1;
  return directory_->Write(raised);
}

Status StoreImpl::CommitRebuilt(bool ledger_lost) {
  index::Rebuilt rebuilt;
  rebuilt.ledger_lost = ledger_lost;
  LB_TRY_ASSIGN(totals, catalog_->Totals());
  for (const index::StreamTotals& total : totals) rebuilt.segments += total.segments;
  return journal_->Commit({rebuilt});
}

void StoreImpl::NoteClosed() {
  StoreFile file = directory_->file();
  if (options_.recording) file.last_use.closed = true;
  const Status written = directory_->Write(file);
  if (!written) {
    LogWarning("store", "the next start takes this for a crash: " + written.message());
  } else {
    LogInfo("store", "closed; everything is sealed");
  }
}

void StoreImpl::Close() {
  if (volumes_) volumes_->Stop();
  if (recovery_) recovery_->Stop();
  const Status stopped =
      archive_ ? archive_->Stop() : Status(Fail(Code::kUnavailable, "it never began"));
  recovery_.reset();
  archive_.reset();
  if (journal_) journal_->Stop();
  gate_.reset();
  copies_.reset();
  journal_.reset();
  if (catalog_) {
    const Status flushed = catalog_->Flush();
    if (!flushed) LogWarning("store", "the catalog will catch up: " + flushed.message());
  }
  catalog_.reset();
  ledger_.reset();
  volumes_.reset();
  if (directory_ && stopped) NoteClosed();
  directory_.reset();
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const StoreOptions& options, Clock& clock,
                                           FileSystem& files) {
  auto store = std::make_unique<StoreImpl>(options, clock, files);
  LB_TRY(store->Start());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace lookback::storage
