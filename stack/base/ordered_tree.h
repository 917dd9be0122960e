// SPDX-License-Identifier: BSD-3-Clause
// Objects in the order of their keys: an intrusive AVL tree. Whatever order they come and go in, to
// find, join or leave takes O(log n) steps, which keeps those who choose the order from choosing
// the cost. Nothing is allocated, and an object has two pointers and two bits of it: ways up are
// remembered on the way down.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <utility>

#include "base/steps.h"

namespace trunkline {

// What Traits say of a T:
//   using Key = ...;
//   static Key key(const T& item);
//   static bool before(Key a, Key b);        a total order of the keys that are in the tree
//   static T*& child(T& item, size_t side);  0: those before it, 1: those behind it
//   static int balance(const T& item);       -1, 0 or 1
//   static void set_balance(T& item, int balance);
template <typename T, typename Traits>
class OrderedTree {
 public:
  using Key = typename Traits::Key;

  [[nodiscard]] bool empty() const { return root_ == nullptr; }
  [[nodiscard]] T* first() const { return outermost(0); }
  [[nodiscard]] T* last() const { return outermost(1); }
  [[nodiscard]] T* find(Key key) const {
    T* at = root_;
    while (at != nullptr) {
      count_steps();
      const Key here = Traits::key(*at);
      const bool lower = Traits::before(key, here);
      if (!lower && !Traits::before(here, key)) return at;
      at = Traits::child(*at, lower ? 0 : 1);
    }
    return nullptr;
  }
  // The nearest on each side of a key, which itself need not be there.
  [[nodiscard]] T* before(Key key) const { return nearest(key, 0); }
  [[nodiscard]] T* after(Key key) const { return nearest(key, 1); }
  // Both, for a key that is not there.
  struct Around {
    T* before = nullptr;
    T* after = nullptr;
  };
  [[nodiscard]] Around around(Key key) const {
    Around out;
    T* at = root_;
    while (at != nullptr) {
      count_steps();
      const bool lower = Traits::before(key, Traits::key(*at));
      (lower ? out.after : out.before) = at;
      at = Traits::child(*at, lower ? 0 : 1);
    }
    return out;
  }

  // No item of its key is in the tree.
  void insert(T* item) {
    Way way;
    T** link = &root_;
    while (*link != nullptr) {
      const size_t side = Traits::before(Traits::key(*item), Traits::key(**link)) ? 0 : 1;
      way.push(link, side);
      link = &Traits::child(**link, side);
    }
    *link = item;
    Traits::child(*item, 0) = Traits::child(*item, 1) = nullptr;
    Traits::set_balance(*item, 0);
    // Upwards as long as a side has become higher.
    while (way.depth > 0) {
      const auto [above, side] = way.pop();
      const int balance = Traits::balance(**above) + weight(side);
      if (balance == 2 || balance == -2) {
        rebalance(*above, side);
        return;
      }
      Traits::set_balance(**above, balance);
      if (balance == 0) return;
    }
  }
  // `item` is in the tree.
  void remove(T* item) {
    Way way;
    T** link = &root_;
    while (*link != item) {
      const size_t side = Traits::before(Traits::key(*item), Traits::key(**link)) ? 0 : 1;
      way.push(link, side);
      link = &Traits::child(**link, side);
    }
    if (Traits::child(*item, 0) == nullptr || Traits::child(*item, 1) == nullptr) {
      *link = Traits::child(*item, Traits::child(*item, 0) == nullptr ? 1 : 0);
    } else {
      replace_by_next(item, link, way);
    }
    // Upwards as long as a side has become lower.
    while (way.depth > 0) {
      const auto [above, side] = way.pop();
      const int balance = Traits::balance(**above) - weight(side);
      if (balance == 2 || balance == -2) {
        if (!rebalance(*above, 1 - side)) return;
      } else {
        Traits::set_balance(**above, balance);
        if (balance != 0) return;
      }
    }
  }
  // Empties the tree; calls visit(T*) for each, which may end it.
  template <typename Visit>
  void clear(Visit&& visit) {
    visit_all(std::exchange(root_, nullptr), visit);
  }

  // For tests: order and balance hold everywhere.
  [[nodiscard]] bool is_sound() const { return sound_height(root_, nullptr, nullptr) >= 0; }

 private:
  // A tree of that height has more than 2^32 items.
  static constexpr size_t kMaxHeight = 48;

  // The links that led down to an item, and the side that was taken behind each.
  struct Way {
    struct Step {
      T** link;
      size_t side;
    };
    std::array<Step, kMaxHeight> steps;
    size_t depth = 0;
    void push(T** link, size_t side) {
      count_steps();
      assert(depth < kMaxHeight);
      steps[depth++] = {link, side};
    }
    Step pop() { return steps[--depth]; }
  };

  static constexpr int weight(size_t side) { return side == 0 ? -1 : 1; }

  [[nodiscard]] T* outermost(size_t side) const {
    T* at = root_;
    while (at != nullptr && Traits::child(*at, side) != nullptr) {
      count_steps();
      at = Traits::child(*at, side);
    }
    return at;
  }
  [[nodiscard]] T* nearest(Key key, size_t side) const {
    T* best = nullptr;
    T* at = root_;
    while (at != nullptr) {
      count_steps();
      const Key here = Traits::key(*at);
      const bool beyond = side == 0 ? Traits::before(here, key) : Traits::before(key, here);
      if (beyond) best = at;
      at = Traits::child(*at, beyond ? 1 - side : side);
    }
    return best;
  }
  // The item, which has two children and hangs on `link`, gives its place to the next in order;
  // `way` goes on to where that was.
  static void replace_by_next(T* item, T** link, Way& way) {
    way.push(link, 1);
    const size_t below = way.depth;
    T** at = &Traits::child(*item, 1);
    while (Traits::child(**at, 0) != nullptr) {
      way.push(at, 0);
      at = &Traits::child(**at, 0);
    }
    T* const next = *at;
    *at = Traits::child(*next, 1);
    Traits::child(*next, 0) = Traits::child(*item, 0);
    Traits::child(*next, 1) = Traits::child(*item, 1);
    Traits::set_balance(*next, Traits::balance(*item));
    *link = next;
    if (way.depth > below) way.steps[below].link = &Traits::child(*next, 1);
  }
  // `side` of the item at `link` is higher by two. True if the whole became lower by that.
  static bool rebalance(T*& link, size_t side) {
    const size_t other = 1 - side;
    const int heavy = weight(side);
    T* const top = link;
    T* const child = Traits::child(*top, side);
    if (Traits::balance(*child) == -heavy) {
      T* const middle = Traits::child(*child, other);
      const int balance = Traits::balance(*middle);
      Traits::child(*child, other) = Traits::child(*middle, side);
      Traits::child(*top, side) = Traits::child(*middle, other);
      Traits::child(*middle, side) = child;
      Traits::child(*middle, other) = top;
      Traits::set_balance(*top, balance == heavy ? -heavy : 0);
      Traits::set_balance(*child, balance == -heavy ? heavy : 0);
      Traits::set_balance(*middle, 0);
      link = middle;
      return true;
    }
    const bool level = Traits::balance(*child) == 0;
    Traits::child(*top, side) = Traits::child(*child, other);
    Traits::child(*child, other) = top;
    Traits::set_balance(*top, level ? heavy : 0);
    Traits::set_balance(*child, level ? -heavy : 0);
    link = child;
    return !level;
  }
  template <typename Visit>
  static void visit_all(T* at, Visit& visit) {
    if (at == nullptr) return;
    T* const behind = Traits::child(*at, 1);
    visit_all(Traits::child(*at, 0), visit);
    visit(at);
    visit_all(behind, visit);
  }
  // -1 if something is wrong.
  [[nodiscard]] static int sound_height(T* at, const T* low, const T* high) {
    if (at == nullptr) return 0;
    if (low != nullptr && !Traits::before(Traits::key(*low), Traits::key(*at))) return -1;
    if (high != nullptr && !Traits::before(Traits::key(*at), Traits::key(*high))) return -1;
    const int left = sound_height(Traits::child(*at, 0), low, at);
    const int right = sound_height(Traits::child(*at, 1), at, high);
    if (left < 0 || right < 0 || right - left != Traits::balance(*at)) return -1;
    return (left > right ? left : right) + 1;
  }

  T* root_ = nullptr;
};

}  // namespace trunkline
