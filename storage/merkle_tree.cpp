#include "storage/merkle_tree.h"

#include <algorithm>
#include <bit>

#include "storage/ledger_leaves.h"

namespace lookback::storage {
namespace {

Sha256Digest Node(const Sha256Digest& left, const Sha256Digest& right) {
  Sha256Hasher hasher;
  const uint8_t prefix = 1;
  hasher.Update(ByteSpan(&prefix, 1));
  hasher.Update(left);
  hasher.Update(right);
  return hasher.Finish();
}

// The largest power of two that is smaller than `count`, which is 2 or more.
uint64_t SplitOf(uint64_t count) { return std::bit_floor(count - 1); }

Sha256Digest HashOf(const std::vector<Sha256Digest>& leaves, size_t first, size_t end) {
  if (end - first == 1) return leaves[first];
  const size_t middle = first + static_cast<size_t>(SplitOf(end - first));
  return Node(HashOf(leaves, first, middle), HashOf(leaves, middle, end));
}

}  // namespace

Result<Sha256Digest> MerkleTree::HashRead(uint64_t first, uint64_t end) {
  LB_TRY_ASSIGN(bytes, read_(first, end));
  std::vector<Sha256Digest> leaves(static_cast<size_t>(end - first));
  LB_CHECK(bytes.size() == leaves.size() * kLeafBytes);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const ByteSpan leaf = ByteSpan(bytes).subspan(i * kLeafBytes, kLeafBytes);
    if (IsAbsentLeaf(leaf)) {
      return Fail(Code::kCorrupt, "record " + std::to_string(first + i) +
                                      " of the ledger is lost, and its leaf hash too: there is no "
                                      "root or proof over it");
    }
    std::copy(leaf.begin(), leaf.end(), leaves[i].begin());
  }
  return HashOf(leaves, 0, leaves.size());
}

Result<Sha256Digest> MerkleTree::Block(uint64_t number) {
  while (blocks_.size() <= number) {
    const uint64_t first = blocks_.size() * kBlockLeaves;
    LB_TRY_ASSIGN(root, HashRead(first, first + kBlockLeaves));
    blocks_.push_back(root);
  }
  return blocks_[static_cast<size_t>(number)];
}

// Of a subtree: `first` is a multiple of the power of two that its leaves fit into.
Result<Sha256Digest> MerkleTree::Hash(uint64_t first, uint64_t end) {
  const uint64_t count = end - first;
  if (count == kBlockLeaves) return Block(first / kBlockLeaves);
  if (count < kBlockLeaves) return HashRead(first, end);
  const uint64_t middle = first + SplitOf(count);
  LB_TRY_ASSIGN(left, Hash(first, middle));
  LB_TRY_ASSIGN(right, Hash(middle, end));
  return Node(left, right);
}

Result<HashPath> MerkleTree::Path(uint64_t leaf, uint64_t first, uint64_t end) {
  if (end - first == 1) return HashPath();
  const uint64_t middle = first + SplitOf(end - first);
  const bool left = leaf < middle;
  LB_TRY_ASSIGN(path, left ? Path(leaf, first, middle) : Path(leaf, middle, end));
  LB_TRY_ASSIGN(other, left ? Hash(middle, end) : Hash(first, middle));
  path.push_back(other);
  return path;
}

// SUBPROOF of RFC 6962 §2.1.2; `known`: whoever verifies has the root of what is left.
Result<HashPath> MerkleTree::SubProof(uint64_t old_end, uint64_t first, uint64_t end, bool known) {
  if (old_end == end) {
    if (known) return HashPath();
    LB_TRY_ASSIGN(root, Hash(first, end));
    return HashPath{root};
  }
  const uint64_t middle = first + SplitOf(end - first);
  const bool left = old_end <= middle;
  LB_TRY_ASSIGN(
      path, left ? SubProof(old_end, first, middle, known) : SubProof(old_end, middle, end, false));
  LB_TRY_ASSIGN(other, left ? Hash(middle, end) : Hash(first, middle));
  path.push_back(other);
  return path;
}

Result<Sha256Digest> MerkleTree::Root(uint64_t size) {
  if (size == 0) return Sha256({});
  const std::lock_guard lock(mutex_);
  return Hash(0, size);
}

Result<HashPath> MerkleTree::InclusionProof(uint64_t leaf, uint64_t size) {
  if (leaf >= size) {
    return Fail(Code::kInvalid, "record " + std::to_string(leaf) + " is not among the first " +
                                    std::to_string(size));
  }
  const std::lock_guard lock(mutex_);
  return Path(leaf, 0, size);
}

Result<HashPath> MerkleTree::ConsistencyProof(uint64_t old_size, uint64_t size) {
  if (old_size > size) {
    return Fail(Code::kInvalid, "the first " + std::to_string(size) + " records hold no " +
                                    std::to_string(old_size));
  }
  if (old_size == 0) return HashPath();  // Everything follows from nothing.
  const std::lock_guard lock(mutex_);
  return SubProof(old_size, 0, size, true);
}

// RFC 9162 §2.1.3.2.
bool VerifyInclusion(const Sha256Digest& leaf_hash, uint64_t leaf, uint64_t size,
                     const HashPath& proof, const Sha256Digest& root) {
  if (leaf >= size) return false;
  uint64_t fn = leaf, sn = size - 1;
  Sha256Digest hash = leaf_hash;
  for (const Sha256Digest& sibling : proof) {
    if (sn == 0) return false;
    if ((fn & 1) != 0 || fn == sn) {
      hash = Node(sibling, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = Node(hash, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && hash == root;
}

// RFC 9162 §2.1.4.2.
bool VerifyConsistency(uint64_t old_size, const Sha256Digest& old_root, uint64_t size,
                       const Sha256Digest& root, const HashPath& proof) {
  if (old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (old_size == 0) return proof.empty() && old_root == Sha256({});
  HashPath path = proof;
  if (std::has_single_bit(old_size)) path.insert(path.begin(), old_root);
  if (path.empty()) return false;
  uint64_t fn = old_size - 1, sn = size - 1;
  while ((fn & 1) != 0) {
    fn >>= 1;
    sn >>= 1;
  }
  Sha256Digest old_hash = path.front(), hash = path.front();
  for (size_t i = 1; i < path.size(); ++i) {
    if (sn == 0) return false;
    if ((fn & 1) != 0 || fn == sn) {
      old_hash = Node(path[i], old_hash);
      hash = Node(path[i], hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = Node(hash, path[i]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && old_hash == old_root && hash == root;
}

}  // namespace lookback::storage
