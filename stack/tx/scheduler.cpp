// SPDX-License-Identifier: BSD-3-Clause
// The schedulers that few use.
#include "tx/scheduler.h"

#include <utility>

#include "base/steps.h"

namespace trunkline {
namespace {

bool comes_before(const TxMessage& a, const TxMessage& b) {
  return static_cast<int32_t>(a.accepted - b.accepted) < 0;
}

TxMessage* merge(TxMessage* a, TxMessage* b) {
  TxMessage* root = nullptr;
  TxMessage** link = &root;
  while (a != nullptr && b != nullptr) {
    count_steps();
    if (comes_before(*b, *a)) std::swap(a, b);
    *link = a;
    // Its children change sides: which of them is walked next is how the heap stays flat.
    TxMessage* const walked = std::exchange(a->turn, a->next);
    link = &a->next;
    a = walked;
  }
  *link = a != nullptr ? a : b;
  return root;
}

}  // namespace

void FirstCome::push(TxMessage* oldest) {
  oldest->next = oldest->turn = nullptr;
  root_ = merge(root_, oldest);
}

void FirstCome::sent() {
  root_ = merge(root_->next, root_->turn);
}

}  // namespace trunkline
