// SPDX-License-Identifier: BSD-3-Clause
// pcapng blocks to the byte, the tap's ring, its filter, and a whole file through the writer.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>

#include "capture/pcapng.h"
#include "capture/tap.h"
#include "capture/writer.h"
#include "net/counters.h"

namespace trunkline::capture {
namespace {

using Bytes = std::vector<uint8_t>;

uint32_t word(const Bytes& bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, &bytes[at], sizeof value);
  return value;
}

TEST(Pcapng, PacketByteForByte) {
  Bytes out;
  const Bytes frame{1, 2, 3, 4, 5};
  PacketRecord packet;
  packet.interface = 2;
  packet.time_ns = 0x0000'0102'0304'0506;
  packet.direction = Direction::kOut;
  packet.original_length = 7;
  packet.bytes = frame;
  packet.comment = "abc";
  append_packet(out, packet);
  const Bytes wanted{6, 0, 0, 0, 60,  0,   0,   0,              // type, length
                     2, 0, 0, 0, 2,   1,   0,   0, 6, 5, 4, 3,  // interface, time
                     5, 0, 0, 0, 7,   0,   0,   0,              // lengths
                     1, 2, 3, 4, 5,   0,   0,   0,              // data, padded
                     1, 0, 3, 0, 'a', 'b', 'c', 0,              // comment
                     2, 0, 4, 0, 2,   0,   0,   0,              // flags: outbound
                     0, 0, 0, 0, 60,  0,   0,   0};             // end of options, length
  EXPECT_EQ(out, wanted);
}

// Walks the blocks of a section: lengths at both ends agree, everything is a multiple of 4.
std::vector<uint32_t> block_types(const Bytes& bytes) {
  std::vector<uint32_t> types;
  for (size_t at = 0; at < bytes.size();) {
    if (at + 12 > bytes.size()) return {};
    const uint32_t length = word(bytes, at + 4);
    if (length % 4 != 0 || length < 12 || at + length > bytes.size()) return {};
    if (word(bytes, at + length - 4) != length) return {};
    types.push_back(word(bytes, at));
    at += length;
  }
  return types;
}

TEST(Pcapng, BlocksHangTogether) {
  Bytes out;
  append_section_header(out, "trunklined", "a comment of odd length.");
  append_interface(out, "left", "net_null0", 65535);
  for (size_t length = 0; length < 9; ++length) {
    const Bytes frame(length, 0xaa);
    PacketRecord packet;
    packet.bytes = frame;
    append_packet(out, packet);
  }
  append_statistics(out, 0, 5, 9, 1);
  const auto types = block_types(out);
  ASSERT_EQ(types.size(), 12u);
  EXPECT_EQ(types[0], 0x0a0d0d0au);
  EXPECT_EQ(types[1], 1u);
  EXPECT_EQ(types[2], 6u);
  EXPECT_EQ(types[11], 5u);
  EXPECT_EQ(word(out, 8), 0x1a2b3c4du);
}

TEST(TapFilter, PortAndAssociation) {
  FrameFacts facts{1, true, 2905, 4000, IpAddress::ipv4(10, 0, 0, 1)};
  Filter all;
  EXPECT_TRUE(all.matches(facts));
  Filter port;
  port.port = 0;
  EXPECT_FALSE(port.matches(facts));
  port.port = 1;
  EXPECT_TRUE(port.matches(facts));
  Filter assoc;
  assoc.by_association = true;
  assoc.local_port = 2905;
  assoc.peer_port = 4000;
  assoc.peers = {IpAddress::ipv4(10, 0, 1, 1), IpAddress::ipv4(10, 0, 0, 1)};
  EXPECT_TRUE(assoc.matches(facts));
  for (int i = 0; i < 4; ++i) {
    FrameFacts other = facts;
    if (i == 0) other.sctp = false;
    if (i == 1) other.local_port = 1;
    if (i == 2) other.peer_port = 1;
    if (i == 3) other.peer = IpAddress::ipv4(10, 0, 0, 2);
    EXPECT_FALSE(assoc.matches(other)) << i;
  }
}

TEST(Tap, OverrunIsCountedAndNothingIsMixedUp) {
  Tap tap(1024, {});
  std::deque<Bytes> expected;
  uint64_t lost = 0;
  Bytes frame;
  Tap::Record record;
  uint32_t state = 5;
  for (int i = 0; i < 5000; ++i) {
    state = state * 1664525u + 1013904223u;
    const size_t length = (state >> 8) % 200;
    Bytes in(length);
    std::iota(in.begin(), in.end(), static_cast<uint8_t>(i));
    record.time_ns = i;
    record.length = static_cast<uint32_t>(length);
    const uint64_t before = tap.lost();
    tap.push(record, in);
    if (tap.lost() == before) {
      expected.push_back(in);
    } else {
      ++lost;
    }
    if ((state >> 20) % 3 == 0) {
      while (tap.pop(record, frame)) {
        ASSERT_FALSE(expected.empty());
        ASSERT_EQ(frame, expected.front());
        expected.pop_front();
      }
    }
  }
  while (tap.pop(record, frame)) {
    ASSERT_EQ(frame, expected.front());
    expected.pop_front();
  }
  EXPECT_TRUE(expected.empty());
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(tap.lost(), lost);
}

struct TemporaryFile {
  TemporaryFile() {
    char name[] = "/tmp/trunkline-test-XXXXXX";
    fd = mkstemp(name);
    path = name;
  }
  ~TemporaryFile() { unlink(path.c_str()); }
  [[nodiscard]] Bytes read() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  int fd = -1;
  std::string path;
};

TEST(Writer, WritesAllAndEndsAtItsLimit) {
  const TemporaryFile file;
  auto tap = std::make_shared<Tap>(1 << 16, Filter{});
  WriterConfig config;
  config.fd = file.fd;
  config.application = "test";
  config.interfaces = {{"left", "net_null0"}, {"right", "net_null1"}};
  config.max_packets = 3;
  const Bytes frame(60, 0x42);
  Tap::Record record;
  record.length = 60;
  record.port = 1;
  record.drop = 1 + static_cast<uint32_t>(net::NetCounter::k_drop_fragment_overlap);
  for (int i = 0; i < 5; ++i) tap->push(record, frame);
  Writer writer(std::move(config), {tap});
  writer.finish();
  EXPECT_TRUE(writer.done());
  EXPECT_EQ(writer.packets(), 3u);
  EXPECT_EQ(writer.error(), 0);
  const Bytes bytes = file.read();
  const std::vector<uint32_t> wanted{0x0a0d0d0a, 1, 1, 6, 6, 6, 5, 5};
  EXPECT_EQ(block_types(bytes), wanted);
  const std::string text(bytes.begin(), bytes.end());
  EXPECT_NE(text.find("drop_fragment_overlap"), std::string::npos);
}

// Workers push into taps of their own; the file is in the order of time.
TEST(Writer, MergesTapsInTheOrderOfTime) {
  const TemporaryFile file;
  std::vector<std::shared_ptr<Tap>> taps;
  for (int i = 0; i < 3; ++i) taps.push_back(std::make_shared<Tap>(1 << 14, Filter{}));
  WriterConfig config;
  config.fd = file.fd;
  config.interfaces = {{"left", "net_null0"}};
  const size_t owner[] = {2, 0, 0, 1, 2, 1, 0, 2};
  Tap::Record record;
  record.length = 4;
  for (uint8_t i = 0; i < 8; ++i) {
    record.time_ns = 1000 + i;
    taps[owner[i]]->push(record, Bytes{0xf0, 0xf1, 0xf2, i});
  }
  Writer writer(std::move(config), taps);
  writer.finish();
  EXPECT_EQ(writer.packets(), 8u);
  const Bytes bytes = file.read();
  Bytes order;
  for (size_t i = 0; i + 3 < bytes.size(); ++i) {
    if (bytes[i] == 0xf0 && bytes[i + 1] == 0xf1 && bytes[i + 2] == 0xf2) {
      order.push_back(bytes[i + 3]);
    }
  }
  EXPECT_EQ(order, (Bytes{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Writer, FailureIsReported) {
  auto tap = std::make_shared<Tap>(1 << 12, Filter{});
  WriterConfig config;
  config.fd = open("/dev/full", O_WRONLY);
  Writer writer(std::move(config), {tap});
  writer.finish();
  EXPECT_EQ(writer.error(), ENOSPC);
  EXPECT_TRUE(writer.done());
}

// A pipe that nobody reads: the end of the capture comes all the same.
TEST(Writer, StalledPipeIsGivenUp) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  auto tap = std::make_shared<Tap>(1 << 20, Filter{});
  const Bytes frame(1500, 0x42);
  Tap::Record record;
  record.length = 1500;
  for (int i = 0; i < 200; ++i) tap->push(record, frame);  // more than a pipe holds
  WriterConfig config;
  config.fd = ends[1];
  Writer writer(std::move(config), {tap});
  writer.finish();
  EXPECT_EQ(writer.error(), ETIMEDOUT);
  close(ends[0]);
}

// Nor does a reader that takes a little now and then put it off.
TEST(Writer, APipeThatIsReadSlowlyIsGivenUp) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  auto tap = std::make_shared<Tap>(1 << 20, Filter{});
  const Bytes frame(1500, 0x42);
  Tap::Record record;
  record.length = 1500;
  for (int i = 0; i < 600; ++i) tap->push(record, frame);
  WriterConfig config;
  config.fd = ends[1];
  Writer writer(std::move(config), {tap});
  std::atomic<bool> over{false};
  std::thread reader([&] {
    Bytes some(4096);
    while (!over.load()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_GT(read(ends[0], some.data(), some.size()), 0);
    }
  });
  const auto before = std::chrono::steady_clock::now();
  writer.finish();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(writer.error(), ETIMEDOUT);
  over.store(true);
  reader.join();
  close(ends[0]);
}

}  // namespace
}  // namespace trunkline::capture
