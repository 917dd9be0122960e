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
  StableQueue() { add_block(); }
  StableQueue(const StableQueue&) = delete;
  StableQueue& operator=(const StableQueue&) = delete;
  ~StableQueue() {
    while (front() != nullptr) pop();
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] size_t size() const { return size_; }
  // The oldest item; nullptr when there is none.
  [[nodiscard]] T* front() { return size_ == 0 ? nullptr : head_->at(first_); }

  // A fresh item at the end.
  T& emplace() {
    if (end_ == kBlock) {
      add_block();
      end_ = 0;
    }
    ++size_;
    return *::new (static_cast<void*>(tail_->at(end_++))) T();
  }
  void pop() {
    std::destroy_at(head_->at(first_));
    --size_;
    const size_t used = head_ == tail_ ? end_ : kBlock;
    if (++first_ < used) return;
    first_ = 0;
    if (head_ == tail_) {
      end_ = 0;
    } else {
      Block* const emptied = head_;
      head_ = emptied->next;
      emptied->next = spare_;
      spare_ = emptied;
    }
  }

 private:
  static constexpr size_t kBlock = 64;
  struct Block {
    Block* next = nullptr;
    alignas(T) std::array<unsigned char, kBlock * sizeof(T)> bytes;
    [[nodiscard]] T* at(size_t i) { return reinterpret_cast<T*>(bytes.data()) + i; }
  };

  void add_block() {
    Block* block = spare_;
    if (block != nullptr) {
      spare_ = block->next;
      block->next = nullptr;
    } else {
      block = blocks_.emplace_back(std::make_unique<Block>()).get();
    }
    if (tail_ != nullptr) tail_->next = block;
    if (head_ == nullptr) head_ = block;
    tail_ = block;
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  Block* head_ = nullptr;   // `first_` is the oldest item's place in it
  Block* tail_ = nullptr;   // `end_` is the next one's
  Block* spare_ = nullptr;  // through Block::next
  size_t first_ = 0;
  size_t end_ = 0;
  size_t size_ = 0;
};

}  // namespace trunkline
