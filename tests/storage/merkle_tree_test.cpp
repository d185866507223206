#include "storage/merkle_tree.h"

#include <gtest/gtest.h>

#include "storage/ledger_leaves.h"

namespace lookback::storage {
namespace {

// The eight leaves that every implementation of RFC 6962 tests with, and their roots by size.
const char* const kInputs[] = {"",
                               "00",
                               "10",
                               "2021",
                               "3031",
                               "40414243",
                               "5051525354555657",
                               "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                              "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                              "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                              "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                              "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                              "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                              "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                              "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

Sha256Digest Digest(const std::string& hex) {
  Bytes bytes;
  LB_CHECK(HexDecode(hex, bytes) && bytes.size() == 32);
  Sha256Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

Sha256Digest LeafOf(ByteSpan data) {
  Bytes bytes{0};
  bytes.insert(bytes.end(), data.begin(), data.end());
  return Sha256(bytes);
}

// What RFC 6962 §2.1 says, as it says it.
Sha256Digest NaiveRoot(std::span<const Sha256Digest> leaves) {
  if (leaves.empty()) return Sha256({});
  if (leaves.size() == 1) return leaves[0];
  size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  Bytes bytes{1};
  for (const auto& half : {NaiveRoot(leaves.first(k)), NaiveRoot(leaves.subspan(k))}) {
    bytes.insert(bytes.end(), half.begin(), half.end());
  }
  return Sha256(bytes);
}

HashPath NaivePath(size_t m, std::span<const Sha256Digest> leaves) {
  if (leaves.size() == 1) return {};
  size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  HashPath path = m < k ? NaivePath(m, leaves.first(k)) : NaivePath(m - k, leaves.subspan(k));
  path.push_back(NaiveRoot(m < k ? leaves.subspan(k) : leaves.first(k)));
  return path;
}

HashPath NaiveSubProof(size_t m, std::span<const Sha256Digest> leaves, bool known) {
  if (m == leaves.size()) return known ? HashPath() : HashPath{NaiveRoot(leaves)};
  size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  HashPath path = m <= k ? NaiveSubProof(m, leaves.first(k), known)
                         : NaiveSubProof(m - k, leaves.subspan(k), false);
  path.push_back(NaiveRoot(m <= k ? leaves.subspan(k) : leaves.first(k)));
  return path;
}

struct Grove {
  explicit Grove(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const std::string text = "leaf " + std::to_string(i);
      leaves.push_back(LeafOf(AsBytes(text)));
    }
  }
  std::span<const Sha256Digest> First(size_t count) const { return std::span(leaves).first(count); }

  std::vector<Sha256Digest> leaves;
  uint64_t reads = 0, read_leaves = 0;
  MerkleTree tree{[this](uint64_t first, uint64_t end) -> Result<Bytes> {
    ++reads;
    read_leaves += end - first;
    Bytes bytes;
    for (uint64_t i = first; i < end; ++i) ByteWriter(bytes).Raw(leaves.at(i));
    return bytes;
  }};
};

TEST(MerkleTreeTest, HasTheRootsOfTheWellKnownEightLeaves) {
  Grove grove(0);
  for (const char* input : kInputs) {
    Bytes data;
    ASSERT_TRUE(HexDecode(input, data));
    grove.leaves.push_back(LeafOf(data));
  }
  EXPECT_EQ(HexEncode(*grove.tree.Root(0)),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (size_t n = 1; n <= 8; ++n) EXPECT_EQ(HexEncode(*grove.tree.Root(n)), kRoots[n - 1]);
  // Proofs of the same vectors.
  EXPECT_EQ(*grove.tree.InclusionProof(5, 8),
            (HashPath{Digest("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
                      Digest("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                      Digest("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
  EXPECT_EQ(*grove.tree.ConsistencyProof(6, 8),
            (HashPath{Digest("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"),
                      Digest("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                      Digest("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
}

TEST(MerkleTreeTest, EveryProofIsThatOfTheDefinitionAndVerifies) {
  Grove grove(130);
  std::vector<Sha256Digest> roots{*grove.tree.Root(0)};
  for (size_t n = 1; n <= 130; ++n) {
    const Sha256Digest root = *grove.tree.Root(n);
    roots.push_back(root);
    ASSERT_EQ(root, NaiveRoot(grove.First(n)));
    for (size_t m = 0; m < n; ++m) {
      const auto proof = grove.tree.InclusionProof(m, n);
      ASSERT_TRUE(proof);
      ASSERT_EQ(*proof, NaivePath(m, grove.First(n)));
      ASSERT_TRUE(VerifyInclusion(grove.leaves[m], m, n, *proof, root)) << m << " of " << n;
      ASSERT_FALSE(VerifyInclusion(grove.leaves[m], (m + 1) % n, n, *proof, root) && n > 1);
    }
    for (size_t m = 0; m <= n; ++m) {
      const auto proof = grove.tree.ConsistencyProof(m, n);
      ASSERT_TRUE(proof);
      if (m > 0) {
        ASSERT_EQ(*proof, NaiveSubProof(m, grove.First(n), true));
      }
      ASSERT_TRUE(VerifyConsistency(m, roots[m], n, root, *proof)) << m << " to " << n;
    }
  }
}

TEST(MerkleTreeTest, AnyAlteredHashIsFound) {
  Grove grove(77);
  const size_t n = 77, old = 40;
  const Sha256Digest root = *grove.tree.Root(n), old_root = *grove.tree.Root(old);
  const HashPath inclusion = *grove.tree.InclusionProof(23, n);
  const HashPath consistency = *grove.tree.ConsistencyProof(old, n);
  Sha256Digest other = root;
  other[31] ^= 1;
  EXPECT_FALSE(VerifyInclusion(grove.leaves[23], 23, n, inclusion, other));
  EXPECT_FALSE(VerifyInclusion(grove.leaves[24], 23, n, inclusion, root));
  EXPECT_FALSE(VerifyConsistency(old, old_root, n, other, consistency));
  EXPECT_FALSE(VerifyConsistency(old, other, n, root, consistency));
  EXPECT_FALSE(VerifyConsistency(n, old_root, old, root, consistency));
  for (size_t i = 0; i < inclusion.size(); ++i) {
    HashPath bad = inclusion;
    bad[i][7] ^= 0x10;
    EXPECT_FALSE(VerifyInclusion(grove.leaves[23], 23, n, bad, root));
  }
  for (size_t i = 0; i < consistency.size(); ++i) {
    HashPath bad = consistency;
    bad[i][7] ^= 0x10;
    EXPECT_FALSE(VerifyConsistency(old, old_root, n, root, bad));
  }
  for (HashPath path : {inclusion, consistency}) {
    path.push_back(other);
    EXPECT_FALSE(VerifyInclusion(grove.leaves[23], 23, n, path, root));
    EXPECT_FALSE(VerifyConsistency(old, old_root, n, root, path));
    path.resize(path.size() - 2);
    EXPECT_FALSE(VerifyInclusion(grove.leaves[23], 23, n, path, root));
    EXPECT_FALSE(VerifyConsistency(old, old_root, n, root, path));
  }
  // A history in which one old record was altered has another root, and no proof leads there.
  Grove altered(77);
  altered.leaves[5][0] ^= 1;
  EXPECT_FALSE(VerifyConsistency(old, old_root, n, *altered.tree.Root(n),
                                 *altered.tree.ConsistencyProof(old, n)));
}

TEST(MerkleTreeTest, ReadsAtMostTwoBlocksOfLeavesOnceTheBlocksAreKnown) {
  Grove grove(10'000);
  ASSERT_EQ(*grove.tree.Root(10'000), NaiveRoot(grove.leaves));
  EXPECT_EQ(grove.read_leaves, 10'000u);  // Each once.
  grove.reads = grove.read_leaves = 0;
  const auto proof = grove.tree.InclusionProof(4'321, 9'999);
  ASSERT_TRUE(proof);
  EXPECT_EQ(*proof, NaivePath(4'321, grove.First(9'999)));
  EXPECT_LT(grove.read_leaves, 2 * MerkleTree::kBlockLeaves);
  grove.read_leaves = 0;
  EXPECT_EQ(*grove.tree.Root(7'777), NaiveRoot(grove.First(7'777)));
  EXPECT_LT(grove.read_leaves, MerkleTree::kBlockLeaves);
  grove.read_leaves = 0;
  EXPECT_EQ(*grove.tree.ConsistencyProof(5'555, 9'998),
            NaiveSubProof(5'555, grove.First(9'998), true));
  EXPECT_LT(grove.read_leaves, 2 * MerkleTree::kBlockLeaves);
}

TEST(MerkleTreeTest, ALostLeafIsNamedAndAWrongNumberRefused) {
  Grove grove(3'000);
  grove.leaves[1'500].fill(0);
  const auto root = grove.tree.Root(3'000);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.code(), Code::kCorrupt);
  EXPECT_NE(root.message().find("1500"), std::string::npos);
  EXPECT_TRUE(grove.tree.Root(1'500));
  EXPECT_EQ(grove.tree.InclusionProof(10, 10).error().code, Code::kInvalid);
  EXPECT_EQ(grove.tree.ConsistencyProof(11, 10).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace lookback::storage
