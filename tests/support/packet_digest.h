// SPDX-License-Identifier: BSD-3-Clause
// Packets as one number, to compare what two builds put on the wire. What is in a State Cookie is
// between an end and itself: it does not count, nor does the checksum over it. Its length does.
// With TRUNKLINE_DIGEST_APART=staleness in the environment the Measure of Staleness (3.3.10.3),
// which an end computes from its cookie, is left out in the same way, and the Cookie Preservative
// (3.3.2.1) that the other end computes from that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "wire/cause.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/init_chunk.h"
#include "wire/parameter.h"

namespace trunkline::test {

class PacketDigest {
 public:
  PacketDigest() : PacketDigest(staleness_is_apart()) {}
  explicit PacketDigest(bool staleness_apart) : staleness_apart_(staleness_apart) {}

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
    if (blank_apart(said)) blank(std::span(said).subspan(wire::kChecksumOffset, 4));
    add(packet.size());
    add_bytes(said);
  }
  [[nodiscard]] uint64_t value() const { return hash_; }

 private:
  static constexpr size_t kInitFixedPart = 16;  // of an INIT's value

  static void blank(std::span<uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), uint8_t{0}); }
  static std::span<uint8_t> own(std::vector<uint8_t>& bytes, std::span<const uint8_t> part) {
    return std::span(bytes).subspan(static_cast<size_t>(part.data() - bytes.data()), part.size());
  }
  static bool staleness_is_apart() {
    const char* const apart = std::getenv("TRUNKLINE_DIGEST_APART");
    return apart != nullptr && std::string_view(apart) == "staleness";
  }
  static std::span<const uint8_t> preservative(const wire::ChunkView& init) {
    if (init.value.size() < kInitFixedPart) return {};
    wire::ParameterCursor parameters(init.value.subspan(kInitFixedPart));
    while (const auto parameter = parameters.next()) {
      const bool is_it = parameter->type == wire::ParameterType::kCookiePreservative;
      if (is_it && parameter->value.size() == 4) return parameter->value;
    }
    return {};
  }
  static std::span<const uint8_t> staleness(const wire::ChunkView& error) {
    wire::CauseCursor causes(error.value);
    while (const auto cause = causes.next()) {
      if (wire::parse_stale_cookie_us(*cause)) return cause->value;
    }
    return {};
  }
  // Whether there was anything of that kind.
  [[nodiscard]] bool blank_apart(std::vector<uint8_t>& bytes) const {
    bool any = false;
    const auto leave_out = [&](std::span<const uint8_t> part) {
      if (part.empty()) return;
      blank(own(bytes, part));
      any = true;
    };
    wire::ChunkCursor chunks(std::span<const uint8_t>(bytes).subspan(wire::kCommonHeaderSize));
    while (const auto chunk = chunks.next()) {
      if (chunk->type == wire::ChunkType::kCookieEcho) leave_out(chunk->value);
      if (chunk->type == wire::ChunkType::kInitAck) {
        leave_out(wire::InitChunk::parse(*chunk, true).init.cookie);
      }
      if (!staleness_apart_) continue;
      if (chunk->type == wire::ChunkType::kInit) leave_out(preservative(*chunk));
      if (chunk->type == wire::ChunkType::kError) leave_out(staleness(*chunk));
    }
    return any;
  }

  bool staleness_apart_;
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
