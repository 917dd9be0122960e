// SPDX-License-Identifier: BSD-3-Clause
// A first-in first-out queue whose items stay where they are made, so that they can be filled in
// and read in place. It grows by blocks and keeps them: after the first burst it allocates no
// more, and a short queue stays in one block, which stays in the cache.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace trunkline {

template <typename T>
class StableQueue {
 public:
  StableQueue() {
    add_block();
    head_ = tail_;
    front_ = end_;
  }
  StableQueue(const StableQueue&) = delete;
  StableQueue& operator=(const StableQueue&) = delete;
  ~StableQueue() {
    while (front() != nullptr) pop();
  }

  [[nodiscard]] bool empty() const { return front_ == end_; }
  // The oldest item; nullptr when there is none.
  [[nodiscard]] T* front() { return empty() ? nullptr : front_; }

  // A fresh item at the end, or what `make` returns, made in its place.
  T& emplace() {
    return emplace([] { return T(); });
  }
  template <typename Make>
  [[gnu::always_inline]] T& emplace(Make&& make) {
    if (end_ == tail_->limit()) add_block();
    return *::new (static_cast<void*>(end_++)) T(make());
  }
  void pop() {
    std::destroy_at(front_++);
    if (front_ == end_) {  // empty: the block is begun again
      front_ = end_ = tail_->begin();
    } else if (front_ == head_->limit()) {
      Block* const emptied = head_;
      head_ = emptied->next;
      front_ = head_->begin();
      emptied->next = spare_;
      spare_ = emptied;
    }
  }

 private:
  static constexpr size_t kBlock = 64;
  struct Block {
    Block* next = nullptr;  // in front of the items: no block ends where another's begin
    alignas(T) std::array<unsigned char, kBlock * sizeof(T)> bytes;
    [[nodiscard]] T* begin() { return reinterpret_cast<T*>(bytes.data()); }
    [[nodiscard]] T* limit() { return begin() + kBlock; }
  };

  [[gnu::noinline, gnu::cold]] void add_block() {
    Block* block = spare_;
    if (block != nullptr) {
      spare_ = block->next;
      block->next = nullptr;
    } else {
      block = blocks_.emplace_back(std::make_unique<Block>()).get();
    }
    if (tail_ != nullptr) tail_->next = block;
    tail_ = block;
    end_ = block->begin();
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  Block* head_ = nullptr;   // has the oldest item
  Block* tail_ = nullptr;   // the next one goes there
  Block* spare_ = nullptr;  // through Block::next
  T* front_ = nullptr;      // the oldest item, or end_
  T* end_ = nullptr;        // the next one's place, or the limit of its block
};

}  // namespace trunkline
