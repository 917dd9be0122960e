// SPDX-License-Identifier: BSD-3-Clause
// The directory: the packet's addresses and ports to association, for every pair of a local and a
// peer address of every association from COOKIE-WAIT on. Shards share it, and with it
// the key that tells from a verification tag which of them owns it.
//
// Readers take no lock and never wait or begin again: a chain of entries per bucket, walked by
// indices that only grow shorter behind a reader. Writers, when an association or its addresses
// come or go, take turns. All entries of an association hang on the first of them, which one store
// makes visible, and one store makes invisible: a reader sees all its addresses or none.
//
// An entry that was unlinked is used again only after each shard has been seen outside of find()
// since (quiescent-state based reclamation). A shard says so whenever it is asked to do something;
// one that sleeps holds up nothing but these entries.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/reserved.h"
#include "base/siphash.h"
#include "base/spin_lock.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

// As in a packet that comes from the peer: local is its destination.
struct DirectoryKey {
  IpAddress local;
  IpAddress peer;
  PortNumber local_port;
  PortNumber peer_port;
  bool operator==(const DirectoryKey&) const = default;
};

class Directory {
 public:
  // What a shard says about itself: that it holds no entry now. Written by the shard, read by
  // whoever frees entries; on a cache line of its own.
  class alignas(64) Reader {
    friend class Directory;
    static constexpr uint64_t kAbsent = UINT64_MAX;
    std::atomic<uint64_t> seen_ = kAbsent;  // the epoch that it had reached outside of find()
  };

  // The entries of one association. Held by the shard that owns it; the zero batch has none.
  using Batch = uint32_t;

  struct Claim {
    enum class Outcome : uint8_t { kDone, kTaken, kFull };
    Outcome outcome = Outcome::kDone;
    AssocId by;            // kTaken: who has one of the addresses,
    IpAddress peer;        // and which,
    bool calling = false;  // and that it does not know its peer yet
    Batch batch = 0;       // kDone
  };

  Directory(RandomSource& random, uint32_t max_entries, MemorySource* memory = nullptr);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  // -- any number of shards at once, between join() and leave()
  [[nodiscard]] std::optional<AssocId> find(const DirectoryKey& key) const;
  // Does the association there still wait for an INIT ACK? Its addresses are then all that is known
  // of its peer, who may have others.
  [[nodiscard]] bool is_calling(const DirectoryKey& key) const;
  // No find() of this shard is under way.
  void quiescent(Reader& self) const {
    const uint64_t now = epoch_.load(std::memory_order_acquire);
    if (self.seen_.load(std::memory_order_relaxed) == now) return;
    self.seen_.store(now, std::memory_order_release);
  }
  // The owner of a tag: a keyed hash through a table of buckets, so that tags stay unpredictable.
  [[nodiscard]] uint16_t owner(VerificationTag tag, uint16_t shard_count) const {
    constexpr uint64_t kBuckets = 1024;
    const uint64_t bucket = SipHash::of(tag_key_, uint64_t{tag.value}) % kBuckets;
    return static_cast<uint16_t>(bucket * shard_count / kBuckets);
  }

  // -- writers, one at a time: they wait for each other. `self` is the caller's.
  [[nodiscard]] Reader& join();
  void leave(Reader& self);
  // Puts the association in under each key, each given once, in place of what `old` holds: readers
  // see it under the old keys until they see it under all new ones. Nothing changes if another
  // association has one of them, or if there is no room. `calling`: see is_calling().
  [[nodiscard]] Claim claim(Reader& self, std::span<const DirectoryKey> keys, AssocId assoc,
                            Batch old = 0, bool calling = false);
  // It waits for no INIT ACK any more. By the shard that owns it; takes no lock.
  void settle(Batch batch) { entries_[batch].visible.store(kSettled, std::memory_order_release); }
  void withdraw(Reader& self, Batch batch);

  // Entries that can be found, and those that wait until no shard can hold them any more.
  [[nodiscard]] size_t size() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] size_t waiting() const { return retired_.load(std::memory_order_relaxed); }

 private:
  using Index = uint32_t;  // of entries_; 0: none
  static constexpr uint32_t kReclaimAt = 64;

  // Stands for a key: a keyed hash. Of a million keys one is taken for another once in 10^13 times,
  // and nobody can choose which.
  using Digest = uint64_t;

  // Half a cache line: an association of one address pair is found with this and its bucket. What
  // is not atomic is written before the entry is linked, and not again before no reader can hold
  // it.
  struct alignas(32) Entry {
    Digest digest = 0;
    std::atomic<Index> next = 0;        // in its bucket; kept when the entry is unlinked
    Index first = 0;                    // of its batch
    Index sibling = 0;                  // writers': the next of its batch, or of a list below
    std::atomic<uint16_t> visible = 0;  // of the first of a batch: counts for all; see below
    // Likewise, the association.
    uint16_t shard = 0;
    uint32_t slot = 0;
    uint32_t generation = 0;
    [[nodiscard]] AssocId assoc() const { return {generation, slot, shard}; }
  };
  static_assert(sizeof(Entry) == 32);
  // Entry::visible beside 0, which hides it.
  static constexpr uint16_t kSettled = 1;
  static constexpr uint16_t kCalling = 2;
  static_assert(std::atomic<Index>::is_always_lock_free);
  static_assert(std::atomic<uint16_t>::is_always_lock_free);
  static_assert(std::atomic<uint64_t>::is_always_lock_free);

  // Writers': entries linked by `sibling`.
  struct EntryList {
    Index head = 0;
    Index tail = 0;
    uint32_t size = 0;
  };

  [[nodiscard]] Digest digest_of(const DirectoryKey& key) const;
  [[nodiscard]] std::atomic<Index>& bucket_of(Digest digest) const {
    return buckets_[digest & (bucket_count_ - 1)];
  }
  // The first of the batch, and what its `visible` was.
  struct Found {
    const Entry* first = nullptr;
    uint16_t visible = 0;
  };
  [[nodiscard]] Found find_first(Digest digest) const;
  [[nodiscard]] std::atomic<Index>& link_for(Digest digest, Batch old) const;
  [[nodiscard]] uint32_t count(Batch batch) const;
  [[nodiscard]] bool make_room(Reader& self, size_t wanted);
  [[nodiscard]] Index take();
  void splice(EntryList& from, EntryList& to);
  void unlink(Batch batch);
  void reclaim(Reader& self);
  [[nodiscard]] bool all_have_reached(uint64_t epoch) const;

  const SipKey address_key_;
  const SipKey tag_key_;
  const uint32_t limit_;     // entries that can be found
  const uint32_t capacity_;  // and those that wait beside them
  const uint32_t bucket_count_;
  const Reserved<Entry> entries_;               // from 1 to capacity_
  const Reserved<std::atomic<Index>> buckets_;  // zero: empty

  // Read by all, written by the holder of the lock when entries are retired.
  alignas(64) std::atomic<uint64_t> epoch_ = 1;

  alignas(64) SpinLock lock_;  // for all that follows
  std::vector<std::unique_ptr<Reader>> readers_;
  std::atomic<uint32_t> used_ = 0;     // written under the lock, read by operators
  std::atomic<uint32_t> retired_ = 0;  // likewise
  uint32_t touched_ = 0;
  EntryList free_;
  EntryList retiring_;  // unlinked, not yet in a round
  EntryList waiting_;   // until every shard has reached waiting_epoch_
  uint64_t waiting_epoch_ = 0;
};

}  // namespace trunkline
