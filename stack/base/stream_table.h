// SPDX-License-Identifier: BSD-3-Clause
// State per stream, made when a stream is first used: an association that negotiated 65,535
// streams and uses three of them pays for three. The stream that is used first, often the only one,
// lies in the table itself; the others in pages of four, found through a tree of nodes that is only
// as high as the highest of them demands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "base/steps.h"
#include "trunkline/stack/types.h"

namespace trunkline {

template <typename T>
class StreamTable {
 public:
  StreamTable() = default;
  StreamTable(const StreamTable&) = delete;
  StreamTable& operator=(const StreamTable&) = delete;
  ~StreamTable() { clear(); }

  // nullptr if the stream was never used.
  [[nodiscard]] T* find(StreamId stream) {
    return first_used_ && first_id_ == stream ? &first_ : find_in_pages(stream);
  }
  // nullptr only when memory ran out.
  [[nodiscard, gnu::always_inline]] T* get(StreamId stream) {
    if (T* known = find(stream)) return known;
    if (!first_used_) {
      first_used_ = true;
      first_id_ = stream;
      return &first_;
    }
    return make(stream);
  }
  void clear() {
    drop(root_, height_);
    root_ = nullptr;
    height_ = 0;
    first_ = T();
    first_used_ = false;
  }

 private:
  static constexpr unsigned kPageBits = 2;
  static constexpr unsigned kNodeBits = 4;
  static constexpr size_t kPerPage = size_t{1} << kPageBits;
  static constexpr size_t kFanOut = size_t{1} << kNodeBits;
  struct Page {
    std::array<T, kPerPage> streams{};
  };
  struct Node {
    std::array<void*, kFanOut> children{};
  };

  // A tree of height 1 is a page, one of height n a node with trees of height n - 1.
  static constexpr unsigned bits_below(unsigned height) {
    return kPageBits + (height - 1) * kNodeBits;
  }
  static constexpr size_t index_at(unsigned level, StreamId stream) {
    return stream.value >> bits_below(level - 1) & (kFanOut - 1);
  }

  [[nodiscard, gnu::noinline]] T* find_in_pages(StreamId stream) {
    if (height_ == 0 || stream.value >> bits_below(height_) != 0) return nullptr;
    void* at = root_;
    for (unsigned level = height_; level > 1 && at != nullptr; --level) {
      count_steps();
      at = static_cast<Node*>(at)->children[index_at(level, stream)];
    }
    return at != nullptr ? &static_cast<Page*>(at)->streams[stream.value % kPerPage] : nullptr;
  }

  [[nodiscard, gnu::cold]] T* make(StreamId stream) {
    while (height_ == 0 || stream.value >> bits_below(height_) != 0) {
      if (root_ != nullptr) {
        auto* const above = new (std::nothrow) Node();
        if (above == nullptr) return nullptr;
        above->children[0] = root_;
        root_ = above;
      }
      ++height_;
    }
    void** link = &root_;
    for (unsigned level = height_; level > 1; --level) {
      count_steps();
      if (*link == nullptr) *link = new (std::nothrow) Node();
      if (*link == nullptr) return nullptr;
      link = &static_cast<Node*>(*link)->children[index_at(level, stream)];
    }
    if (*link == nullptr) *link = new (std::nothrow) Page();
    return *link != nullptr ? &static_cast<Page*>(*link)->streams[stream.value % kPerPage]
                            : nullptr;
  }
  static void drop(void* at, unsigned height) {
    if (at == nullptr) return;
    count_steps();
    if (height == 1) {
      delete static_cast<Page*>(at);
      return;
    }
    for (void* const child : static_cast<Node*>(at)->children) drop(child, height - 1);
    delete static_cast<Node*>(at);
  }

  void* root_ = nullptr;
  T first_{};
  StreamId first_id_;
  bool first_used_ = false;
  uint8_t height_ = 0;
};

}  // namespace trunkline
