// SPDX-License-Identifier: BSD-3-Clause
// Big-endian loads and stores.
#include "base/bytes.h"

#include <gtest/gtest.h>

#include "wire_test_util.h"

namespace trunkline {
namespace {

TEST(Bytes, LoadsAreBigEndianAtAnyAlignment) {
  const wire::Bytes bytes = wire::from_hex("ff 80 01 02 03 04 05 06 fe");
  EXPECT_EQ(load_be16(bytes.data() + 1), 0x8001);
  EXPECT_EQ(load_be32(bytes.data() + 1), 0x80010203u);
  EXPECT_EQ(load_be64(bytes.data() + 1), 0x80010203040506feu);
}

TEST(Bytes, StoresWriteTheirBytesAndNoOthers) {
  wire::Bytes bytes(10, 0xee);
  store_be16(bytes.data() + 1, 0xa1b2);
  EXPECT_EQ(wire::to_hex(bytes), "eea1b2eeeeeeeeeeeeee");
  store_be32(bytes.data() + 1, 0xc3d4e5f6);
  EXPECT_EQ(wire::to_hex(bytes), "eec3d4e5f6eeeeeeeeee");
  store_be64(bytes.data() + 1, 0x8102030405060788);
  EXPECT_EQ(wire::to_hex(bytes), "ee8102030405060788ee");
}

TEST(Bytes, CopyOfNothingTouchesNothing) {
  copy_bytes(nullptr, {});
  uint8_t byte = 7;
  const uint8_t source = 9;
  copy_bytes(&byte, {&source, 0});
  EXPECT_EQ(byte, 7);
  copy_bytes(&byte, {&source, 1});
  EXPECT_EQ(byte, 9);
}

}  // namespace
}  // namespace trunkline
