// SPDX-License-Identifier: BSD-3-Clause
// Chains of entries behind a keyed hash, since peers choose their addresses and ports.
#include "shards/directory.h"

#include <algorithm>
#include <bit>
#include <new>

#include "base/bytes.h"
#include "base/steps.h"

namespace trunkline {
namespace {

SipKey draw_key(RandomSource& random) {
  const uint64_t first = random.u64();
  return {first, random.u64()};
}

}  // namespace

// Beside the entries in use there is room for some that wait: address changes need both the old and
// the new for a moment, and a shard that does not run keeps what others retire.
Directory::Directory(RandomSource& random, uint32_t max_entries, MemorySource* memory)
    : address_key_(draw_key(random)),
      tag_key_(draw_key(random)),
      limit_(std::min(max_entries, UINT32_MAX / 2)),
      capacity_(limit_ + limit_ / 4 + 4 * kReclaimAt),
      bucket_count_(std::bit_ceil(std::max<uint32_t>(16, limit_ / 2))),
      entries_(memory, size_t{capacity_} + 1),
      buckets_(memory, bucket_count_) {}

Directory::Digest Directory::digest_of(const DirectoryKey& key) const {
  const uint8_t* const local = key.local.bytes().data();
  const uint8_t* const peer = key.peer.bytes().data();
  const uint32_t ports = uint32_t{key.local_port.value} << 16 | key.peer_port.value;
  if (key.peer.is_ipv4()) {
    const uint64_t both[] = {uint64_t{load_be32(local)} << 32 | load_be32(peer)};
    return SipHash::of(address_key_, both, ports);
  }
  const uint64_t both[] = {load_be64(local), load_be64(local + 8), load_be64(peer),
                           load_be64(peer + 8)};
  return SipHash::of(address_key_, both, ports);
}

// -- readers

Directory::Found Directory::find_first(Digest digest) const {
  Index at = bucket_of(digest).load(std::memory_order_acquire);
  while (at != 0) {
    count_steps();
    const Entry& entry = entries_[at];
    if (entry.digest == digest) {
      const Entry& first = entries_[entry.first];
      const uint16_t visible = first.visible.load(std::memory_order_acquire);
      if (visible != 0) return {&first, visible};
    }
    at = entry.next.load(std::memory_order_acquire);
  }
  return {};
}

std::optional<AssocId> Directory::find(const DirectoryKey& key) const {
  const Found found = find_first(digest_of(key));
  if (found.first == nullptr) return std::nullopt;
  return found.first->assoc();
}

bool Directory::is_calling(const DirectoryKey& key) const {
  return find_first(digest_of(key)).visible == kCalling;
}

// -- writers: under the lock from here on

Directory::Reader& Directory::join() {
  const SpinGuard guard(lock_);
  for (const auto& reader : readers_) {
    if (reader->seen_.load(std::memory_order_acquire) != Reader::kAbsent) continue;
    reader->seen_.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);
    return *reader;
  }
  readers_.push_back(std::make_unique<Reader>());
  Reader& fresh = *readers_.back();
  fresh.seen_.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);
  return fresh;
}

void Directory::leave(Reader& self) {
  const SpinGuard guard(lock_);
  self.seen_.store(Reader::kAbsent, std::memory_order_release);
}

Directory::Claim Directory::claim(Reader& self, std::span<const DirectoryKey> keys, AssocId assoc,
                                  Batch old, bool calling) {
  const SpinGuard guard(lock_);
  for (const DirectoryKey& key : keys) {
    const Found other = find_first(digest_of(key));
    if (other.first != nullptr && !(other.first->assoc() == assoc)) {
      return {Claim::Outcome::kTaken, other.first->assoc(), key.peer, other.visible == kCalling};
    }
  }
  const uint32_t before = old != 0 ? count(old) : 0;
  const size_t after = size() - before + keys.size();
  if (keys.empty() || after > limit_ || !make_room(self, keys.size())) {
    return {Claim::Outcome::kFull, {}, {}, false};
  }
  const Index first = take();
  Index at = first;
  for (const DirectoryKey& key : keys) {
    Index sibling = 0;
    if (&key != &keys.back()) sibling = take();
    const Digest digest = digest_of(key);
    std::atomic<Index>& link = link_for(digest, old);
    Entry* const entry = ::new (static_cast<void*>(&entries_[at])) Entry;
    entry->digest = digest;
    entry->next.store(link.load(std::memory_order_relaxed), std::memory_order_relaxed);
    entry->first = first;
    entry->sibling = sibling;
    entry->shard = assoc.shard;
    entry->slot = assoc.slot;
    entry->generation = assoc.generation;
    link.store(at, std::memory_order_release);
    at = sibling;
  }
  // All of them, now.
  entries_[first].visible.store(calling ? kCalling : kSettled, std::memory_order_release);
  if (old != 0) unlink(old);
  used_.store(static_cast<uint32_t>(after), std::memory_order_relaxed);
  if (retiring_.size >= kReclaimAt) reclaim(self);
  return {Claim::Outcome::kDone, {}, {}, false, first};
}

void Directory::withdraw(Reader& self, Batch batch) {
  if (batch == 0) return;
  // Not found any more from here on, however long the lock may take.
  entries_[batch].visible.store(0, std::memory_order_release);
  const SpinGuard guard(lock_);
  used_.store(static_cast<uint32_t>(size() - count(batch)), std::memory_order_relaxed);
  unlink(batch);
  if (retiring_.size >= kReclaimAt) reclaim(self);
}

// Where a new entry goes: right behind the one that it replaces, so that a reader on its way comes
// to the old one, or finds the new one in its place; else to the front.
std::atomic<Directory::Index>& Directory::link_for(Digest digest, Batch old) const {
  std::atomic<Index>& bucket = bucket_of(digest);
  if (old == 0) return bucket;
  for (Index at = bucket.load(std::memory_order_relaxed); at != 0;
       at = entries_[at].next.load(std::memory_order_relaxed)) {
    if (entries_[at].first == old && entries_[at].digest == digest) return entries_[at].next;
  }
  return bucket;
}

uint32_t Directory::count(Batch batch) const {
  uint32_t n = 0;
  for (Index at = batch; at != 0; at = entries_[at].sibling) ++n;
  return n;
}

bool Directory::make_room(Reader& self, size_t wanted) {
  const auto left = [&] { return size_t{free_.size} + (capacity_ - touched_); };
  if (left() < wanted) reclaim(self);
  return left() >= wanted;
}

// Only after make_room().
Directory::Index Directory::take() {
  if (free_.head == 0) return ++touched_;
  const Index taken = free_.head;
  free_.head = entries_[taken].sibling;
  if (free_.head == 0) free_.tail = 0;
  --free_.size;
  return taken;
}

void Directory::splice(EntryList& from, EntryList& to) {
  if (from.head == 0) return;
  (to.tail != 0 ? entries_[to.tail].sibling : to.head) = from.head;
  to.tail = from.tail;
  to.size += from.size;
  from = {};
}

// Out of the chains. A reader that stands on an entry goes on from it as before; to that reader an
// entry that was replaced stays visible.
void Directory::unlink(Batch batch) {
  EntryList gone{batch, batch, 0};
  for (Index at = batch; at != 0; at = entries_[at].sibling) {
    std::atomic<Index>* link = &bucket_of(entries_[at].digest);
    while (link->load(std::memory_order_relaxed) != at) {
      count_steps();
      link = &entries_[link->load(std::memory_order_relaxed)].next;
    }
    link->store(entries_[at].next.load(std::memory_order_relaxed), std::memory_order_release);
    gone.tail = at;
    ++gone.size;
  }
  retired_.store(retired_.load(std::memory_order_relaxed) + gone.size, std::memory_order_relaxed);
  splice(gone, retiring_);
}

// What was unlinked before a round began may be used again once every shard has been seen outside
// of find() in it. One round at a time; the entries that retire meanwhile wait for the next.
void Directory::reclaim(Reader& self) {
  quiescent(self);
  for (int round = 0; round < 2; ++round) {
    if (waiting_.head != 0) {
      if (!all_have_reached(waiting_epoch_)) return;
      retired_.store(retired_.load(std::memory_order_relaxed) - waiting_.size,
                     std::memory_order_relaxed);
      splice(waiting_, free_);
    }
    if (retiring_.head == 0) return;
    splice(retiring_, waiting_);
    waiting_epoch_ = epoch_.fetch_add(1, std::memory_order_acq_rel) + 1;
    quiescent(self);
  }
}

bool Directory::all_have_reached(uint64_t epoch) const {
  return std::all_of(readers_.begin(), readers_.end(), [epoch](const auto& reader) {
    return reader->seen_.load(std::memory_order_acquire) >= epoch;
  });
}

// -- the public face

void DirectoryDeleter::operator()(Directory* directory) const {
  delete directory;
}

DirectoryPtr make_directory(RandomSource& random, uint32_t max_entries, MemorySource* memory) {
  return DirectoryPtr(new Directory(random, max_entries, memory));
}

uint16_t owner_of(const Directory& directory, VerificationTag tag, uint16_t shard_count) {
  return directory.owner(tag, shard_count);
}

}  // namespace trunkline
