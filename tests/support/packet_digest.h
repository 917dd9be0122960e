// SPDX-License-Identifier: BSD-3-Clause
// Packets as one number, to compare what two builds put on the wire. What is in a State Cookie is
// between an end and itself: it does not count, nor does the checksum over it. Its length does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/init_chunk.h"

namespace trunkline::test {

class PacketDigest {
 public:
  void add(uint64_t value) {
    hash_ = (hash_ ^ value) * 0xff51afd7ed558ccdull;
    hash_ ^= hash_ >> 32;
  }
  void add_bytes(std::span<const uint8_t> bytes) {
    for (size_t at = 0; at < bytes.size(); at += 8) {
      uint64_t word = 0;
      for (size_t i = at; i < bytes.size() && i < at + 8; ++i) word = word << 8 | bytes[i];
      add(word);
    }
  }
  void add_packet(std::span<const uint8_t> packet) {
    if (packet.size() < wire::kCommonHeaderSize) return add_bytes(packet);
    std::vector<uint8_t> said(packet.begin(), packet.end());
    if (blank_cookies(said)) blank(std::span(said).subspan(wire::kChecksumOffset, 4));
    add(packet.size());
    add_bytes(said);
  }
  [[nodiscard]] uint64_t value() const { return hash_; }

 private:
  static void blank(std::span<uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), uint8_t{0}); }
  static std::span<uint8_t> own(std::vector<uint8_t>& bytes, std::span<const uint8_t> part) {
    return std::span(bytes).subspan(static_cast<size_t>(part.data() - bytes.data()), part.size());
  }
  static bool blank_cookies(std::vector<uint8_t>& bytes) {
    bool any = false;
    wire::ChunkCursor chunks(std::span<const uint8_t>(bytes).subspan(wire::kCommonHeaderSize));
    while (const auto chunk = chunks.next()) {
      std::span<const uint8_t> cookie;
      if (chunk->type == wire::ChunkType::kCookieEcho) cookie = chunk->value;
      if (chunk->type == wire::ChunkType::kInitAck) {
        cookie = wire::InitChunk::parse(*chunk, true).init.cookie;
      }
      if (cookie.empty()) continue;
      blank(own(bytes, cookie));
      any = true;
    }
    return any;
  }

  uint64_t hash_ = 0x9e3779b97f4a7c15ull;
};

// All packets of a process, in their order: told at its end where TRUNKLINE_PACKET_DIGEST names a
// file (devtools/compare_packets.py).
class ProcessDigest {
 public:
  static ProcessDigest& get() {
    static ProcessDigest one;
    return one;
  }
  void add_packet(std::span<const uint8_t> packet) {
    if (path_ == nullptr) return;
    digest_.add_packet(packet);
    ++packets_;
  }
  ProcessDigest(const ProcessDigest&) = delete;
  ProcessDigest& operator=(const ProcessDigest&) = delete;

 private:
  ProcessDigest() : path_(std::getenv("TRUNKLINE_PACKET_DIGEST")) {}
  ~ProcessDigest() {
    if (path_ == nullptr) return;
    if (std::FILE* const file = std::fopen(path_, "w"); file != nullptr) {
      std::fprintf(file, "%llu %016llx\n", static_cast<unsigned long long>(packets_),
                   static_cast<unsigned long long>(digest_.value()));
      std::fclose(file);
    }
  }

  const char* path_;
  PacketDigest digest_;
  uint64_t packets_ = 0;
};

}  // namespace trunkline::test
