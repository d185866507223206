#include "tests/support/crash_states.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace lookback::test {
namespace {

enum class Fate : uint8_t { kDropped, kWhole, kTorn };

// The parts of a write that lie in different blocks.
std::vector<DiskChange> Blocks(const DiskChange& write, uint64_t block_bytes) {
  std::vector<DiskChange> parts;
  for (uint64_t at = 0; at < write.bytes.size();) {
    const uint64_t room = block_bytes - (write.offset + at) % block_bytes;
    const uint64_t length = std::min<uint64_t>(room, write.bytes.size() - at);
    DiskChange part = write;
    part.offset = write.offset + at;
    part.bytes.assign(write.bytes.begin() + static_cast<ptrdiff_t>(at),
                      write.bytes.begin() + static_cast<ptrdiff_t>(at + length));
    parts.push_back(std::move(part));
    at += length;
  }
  return parts;
}

// A beginning of its blocks, an end, or any of them.
void ApplyTorn(DiskState& disk, const DiskChange& write, std::mt19937_64& random) {
  const auto blocks = Blocks(write, random() % 2 ? 512 : 4'096);
  const uint64_t how = random() % 3;
  const uint64_t border = random() % (blocks.size() + 1);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool there = how == 0 ? i < border : how == 1 ? i >= border : random() % 2;
    if (there) disk.Apply(blocks[i]);
  }
}

// Lets a beginning of what is not covered be there, of each group by itself.
class NameFates {
 public:
  NameFates(NameOrder order, std::mt19937_64& random) : order_(order), random_(random) {}

  void Add(const DiskChange& change, size_t at, bool covered) {
    Group& group = groups_[KeyOf(change)];
    group.all.push_back(at);
    // A journal that has this one has those before it.
    if (covered) group.least = group.all.size();
  }
  void Decide(std::vector<Fate>& fates) {
    for (auto& [key, group] : groups_) {
      const size_t open = group.all.size() - group.least;
      const size_t kept = group.least + (open > 0 ? random_() % (open + 1) : 0);
      for (size_t i = 0; i < group.all.size(); ++i) {
        fates[group.all[i]] = i < kept ? Fate::kWhole : Fate::kDropped;
      }
    }
  }

 private:
  struct Group {
    std::vector<size_t> all;
    size_t least = 0;
  };
  std::pair<int, NodeId> KeyOf(const DiskChange& change) const {
    return {change.mount, order_ == NameOrder::kJournal ? 0 : change.directory};
  }

  const NameOrder order_;
  std::mt19937_64& random_;
  std::map<std::pair<int, NodeId>, Group> groups_;
};

}  // namespace

DiskState CrashStates::Applied(size_t cut) const {
  DiskState disk = base_;
  for (size_t i = 0; i < cut; ++i) disk.Apply(changes_[i]);
  return disk;
}

DiskState CrashStates::Synced(size_t cut) const {
  const std::vector<bool> covered = CoveredBySync(cut);
  DiskState disk = base_;
  for (size_t i = 0; i < cut; ++i) {
    if (covered[i]) disk.Apply(changes_[i]);
  }
  return disk;
}

std::vector<bool> CrashStates::CoveredBySync(size_t cut) const {
  std::vector<bool> covered(cut, false);
  std::map<NodeId, std::vector<size_t>> bytes_of, names_in;
  const auto cover = [&covered](std::vector<size_t>& waiting) {
    for (const size_t i : std::exchange(waiting, {})) covered[i] = true;
  };
  for (size_t i = 0; i < cut; ++i) {
    const DiskChange& change = changes_[i];
    if (change.OfBytes()) bytes_of[change.node].push_back(i);
    if (change.OfNames()) names_in[change.directory].push_back(i);
    if (change.kind == DiskChange::Kind::kSync) cover(bytes_of[change.node]);
    if (change.kind == DiskChange::Kind::kSyncDirectory) cover(names_in[change.node]);
    for (const NodeId node : change.covered) {
      cover(bytes_of[node]);
      cover(names_in[node]);
    }
  }
  return covered;
}

DiskState CrashStates::Sampled(size_t cut, NameOrder order, uint64_t seed,
                               std::string* told) const {
  std::mt19937_64 random(seed);
  const std::vector<bool> covered = CoveredBySync(cut);
  std::vector<Fate> fates(cut, Fate::kWhole);
  NameFates names(order, random);
  // Nearly all of it there, half of it, or hardly any.
  const uint64_t percent = std::vector<uint64_t>{5, 25, 50, 90}[random() % 4];
  for (size_t i = 0; i < cut; ++i) {
    const DiskChange& change = changes_[i];
    if (change.OfNames()) names.Add(change, i, covered[i]);
    if (!change.OfBytes() || covered[i] || random() % 100 >= percent) continue;
    const bool torn = change.kind == DiskChange::Kind::kWrite && random() % 2;
    fates[i] = torn ? Fate::kTorn : Fate::kDropped;
  }
  names.Decide(fates);

  DiskState disk = base_;
  for (size_t i = 0; i < cut; ++i) {
    if (fates[i] == Fate::kWhole) disk.Apply(changes_[i]);
    if (fates[i] == Fate::kTorn) ApplyTorn(disk, changes_[i], random);
    if (told && !covered[i] && (changes_[i].OfNames() || changes_[i].OfBytes())) {
      const char* const kFates[] = {"dropped: ", "there:   ", "torn:    "};
      *told += kFates[static_cast<size_t>(fates[i])] + changes_[i].text() + "\n";
    }
  }
  return disk;
}

}  // namespace lookback::test
