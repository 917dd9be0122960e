// SPDX-License-Identifier: BSD-3-Clause
// An intrusive doubly linked list: the links live in the objects, so that joining and leaving a
// list allocates nothing. An object may be in several lists through several links.
#pragma once

#include <cstddef>

namespace trunkline {

template <typename T>
struct ListLink {
  T* prev = nullptr;
  T* next = nullptr;
};

template <typename T, ListLink<T> T::*Link>
class List {
 public:
  [[nodiscard]] T* front() const { return head_; }
  [[nodiscard]] T* back() const { return tail_; }
  [[nodiscard]] bool empty() const { return head_ == nullptr; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] static T* next(const T* item) { return (item->*Link).next; }
  [[nodiscard]] static T* prev(const T* item) { return (item->*Link).prev; }

  void push_back(T* item) { insert_after(tail_, item); }
  void push_front(T* item) { insert_after(nullptr, item); }
  // `where` is in the list, or nullptr for the front.
  void insert_after(T* where, T* item) {
    T* const following = where != nullptr ? (where->*Link).next : head_;
    (item->*Link) = {where, following};
    (where != nullptr ? (where->*Link).next : head_) = item;
    (following != nullptr ? (following->*Link).prev : tail_) = item;
    ++size_;
  }
  void remove(T* item) {
    ListLink<T>& link = item->*Link;
    (link.prev != nullptr ? (link.prev->*Link).next : head_) = link.next;
    (link.next != nullptr ? (link.next->*Link).prev : tail_) = link.prev;
    link = {};
    --size_;
  }
  T* pop_front() {
    T* const item = head_;
    if (item != nullptr) remove(item);
    return item;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace trunkline
