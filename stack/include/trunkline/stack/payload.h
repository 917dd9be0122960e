// SPDX-License-Identifier: BSD-3-Clause
// Message payload as a chain of pieces that stay where somebody wrote them, owned by one move-only
// handle. The stack reads payload in place and never copies it except into a packet; whoever made
// the pieces gets them back exactly once, through an event or through PieceOwner::release.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace trunkline {

// One contiguous run of payload bytes. The memory of the piece and of its data belongs to a
// PieceOwner and stays valid and unchanged until the chain is released; between two verbs the owner
// may move the data elsewhere and set `data` anew.
struct Piece {
  const uint8_t* data = nullptr;
  uint32_t length = 0;  // bytes
  Piece* next = nullptr;
};

class PieceOwner {
 public:
  // Takes back a whole chain. Called exactly once a chain, never for an empty one.
  virtual void release(Piece* head) noexcept = 0;

 protected:
  ~PieceOwner() = default;
};

// Owns a chain of pieces. An empty payload (no piece) owns nothing.
class Payload {
 public:
  Payload() = default;
  Payload(Piece* head, PieceOwner* owner) : head_(head), owner_(owner) {
    for (const Piece* piece = head; piece != nullptr; piece = piece->next) size_ += piece->length;
  }
  Payload(Payload&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        owner_(std::exchange(other.owner_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Payload& operator=(Payload&& other) noexcept {
    if (this == &other) return *this;
    reset();
    head_ = std::exchange(other.head_, nullptr);
    owner_ = std::exchange(other.owner_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;
  ~Payload() { reset(); }

  [[nodiscard]] const Piece* head() const { return head_; }
  [[nodiscard]] size_t size() const { return size_; }  // bytes of all pieces
  [[nodiscard]] bool empty() const { return head_ == nullptr; }
  [[nodiscard]] PieceOwner* owner() const { return owner_; }  // null if it is empty

  // Gives the chain up to the caller, who must hand it back to its owner.
  [[nodiscard]] Piece* take() {
    size_ = 0;
    owner_ = nullptr;
    return std::exchange(head_, nullptr);
  }
  void reset() {
    if (head_ != nullptr) owner_->release(std::exchange(head_, nullptr));
    size_ = 0;
    owner_ = nullptr;
  }

 private:
  Piece* head_ = nullptr;
  PieceOwner* owner_ = nullptr;
  size_t size_ = 0;
};

// Copies a chain to `out`, which holds at least the sum of the lengths. Returns bytes written.
size_t copy_pieces(const Piece* head, std::span<uint8_t> out);

}  // namespace trunkline
