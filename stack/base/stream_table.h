// SPDX-License-Identifier: BSD-3-Clause
// State per stream, made when a stream is first used: an association that negotiated 65,535
// streams and uses three of them pays for three. Pages of sixteen streams; the first page is
// reached directly, the others through a directory that exists only when they do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "trunkline/stack/types.h"

namespace trunkline {

template <typename T>
class StreamTable {
 public:
  // nullptr if the stream was never used.
  [[nodiscard]] T* find(StreamId stream) const {
    const size_t page = stream.value / kPerPage;
    if (page == 0) return first_ ? &(*first_)[stream.value] : nullptr;
    if (!rest_ || !(*rest_)[page]) return nullptr;
    return &(*(*rest_)[page])[stream.value % kPerPage];
  }
  // nullptr only when memory ran out.
  [[nodiscard]] T* get(StreamId stream) {
    if (T* known = find(stream)) return known;
    const size_t page = stream.value / kPerPage;
    if (page != 0 && !rest_) {
      rest_.reset(new (std::nothrow) Directory());
      if (!rest_) return nullptr;
    }
    std::unique_ptr<Page>& slot = page == 0 ? first_ : (*rest_)[page];
    slot.reset(new (std::nothrow) Page());
    return slot ? &(*slot)[stream.value % kPerPage] : nullptr;
  }
  // Calls visit(T&) for every stream in a page that exists.
  template <typename Visit>
  void for_each(Visit&& visit) {
    if (first_) {
      for (T& stream : *first_) visit(stream);
    }
    if (!rest_) return;
    for (auto& page : *rest_) {
      if (!page) continue;
      for (T& stream : *page) visit(stream);
    }
  }
  void clear() {
    first_.reset();
    rest_.reset();
  }

 private:
  static constexpr size_t kPerPage = 16;
  using Page = std::array<T, kPerPage>;
  using Directory = std::array<std::unique_ptr<Page>, 65536 / kPerPage>;

  std::unique_ptr<Page> first_;
  std::unique_ptr<Directory> rest_;
};

}  // namespace trunkline
