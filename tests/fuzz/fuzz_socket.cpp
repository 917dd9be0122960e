// SPDX-License-Identifier: BSD-3-Clause
// A program that writes whatever it likes into all that it may map, the memory of its socket and
// the kicks of its process, and does to its handle what it likes: between the shards of two hosts,
// beside another socket of the same host, which must not notice.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "../unit/sockets/socket_test.h"
#include "fuzz_check.h"

namespace trunkline::test {
namespace {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  [[nodiscard]] bool any() const { return at_ != end_; }
  uint32_t take(size_t count) {
    uint32_t out = 0;
    for (size_t i = 0; i < count && any(); ++i) out |= uint32_t{*at_++} << (8 * i);
    return out;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

class Stage : public SocketTest {
 public:
  Stage() {
    hostile_ = establish();
    bystander_.client = make(left);
    FUZZ_CHECK(connect(left, bystander_.client, right) == Status::kOk);
    bystander_.server = accept(right);
  }
  void TestBody() override {}

  void step(Bytes& in) {
    switch (in.take(1) % 12) {
      case 0:  // the page and the tables behind it
        return write(0, tls_layout_of(&geometry).channel, in);
      case 1:  // the heads of the rings, and all that is not the messages themselves
        return write(tls_layout_of(&geometry).channel, tlr_layout_of(&geometry).tx_data, in);
      case 2:
        return hostile_.client->kick();
      case 3:
        left.kicks.kick(in.take(2) % TLS_MAX_SOCKETS);
        return;
      case 4:
        return write_kicks(in);
      case 5:
        return net.turns(static_cast<int>(1 + in.take(1) % 16));
      case 6:
        (void)hostile_.server->send(text(1 + in.take(2) % 5000));
        return;
      case 7:
        return submit(in);
      case 8:
        return use_handle(in);
      case 9:
        hostile_.client->operation(static_cast<uint8_t>(in.take(1)));
        return;
      case 10:
        net.loss = in.take(1) % 4 * 50;
        return;
      default:
        return talk();
    }
  }

  void end() {
    net.loss = 0;
    talk();
    for (int i = 0; i < 4000 && got_.size() < sent_.size(); ++i) hear();
    FUZZ_CHECK(got_ == sent_);
    FUZZ_CHECK(bystander_.client.page().state == TLS_ESTABLISHED);
    FUZZ_CHECK(left.host->shard.receive_memory_fault() == nullptr);
    for (TestSocket* socket : {&hostile_.client, &bystander_.client}) {
      close(left, *socket, true);
      FUZZ_CHECK(news(left, NewsKind::kGone).has_value());
    }
    for (TestSocket* socket : {&hostile_.server, &bystander_.server}) close(right, *socket, true);
    net.turns(50);
    FUZZ_CHECK(left.host->shard.association_count() == 0);
    FUZZ_CHECK(left.user->shares[0].units == 0);
  }

 private:
  // A word, of which small numbers and what is nearly right matter most.
  static uint32_t value(Bytes& in, uint32_t before) {
    const uint32_t kind = in.take(1);
    switch (kind % 4) {
      case 0:
        return in.take(1);
      case 1:
        return before + kind / 4 - 32;
      case 2:
        return in.take(2);
      default:
        return in.take(4);
    }
  }
  void write(uint64_t from, uint64_t size, Bytes& in) {
    auto* const memory = reinterpret_cast<uint8_t*>(&hostile_.client.page()) + from;
    auto* const words = reinterpret_cast<uint32_t*>(memory);
    const uint64_t at = in.take(3) % (size / sizeof(uint32_t));
    store_relaxed(words[at], value(in, load_relaxed(words[at])));
  }
  void write_kicks(Bytes& in) {
    tls_kicks& kicks = *left.kicks.area.kicks;
    auto* const words = reinterpret_cast<uint32_t*>(&kicks);
    const uint64_t at = in.take(2) % (sizeof(kicks) / sizeof(uint32_t));
    store_relaxed(words[at], value(in, load_relaxed(words[at])));
  }
  void submit(Bytes& in) {
    tlr_submission what{};
    what.op = in.take(1) % 4 == 0 ? static_cast<uint8_t>(in.take(1)) : uint8_t{TLR_OP_SEND};
    what.flags = static_cast<uint8_t>(in.take(1));
    what.stream = static_cast<uint16_t>(in.take(1));
    what.slot = in.take(2);
    what.length = value(in, what.slot);
    hostile_.client->submit(what);
  }
  void use_handle(Bytes& in) {
    std::array<uint8_t, 256> bytes{};
    const size_t count = 1 + in.take(1) % bytes.size();
    const uint32_t how = in.take(1);
    const int handle = hostile_.client->handle;
    if (how % 4 == 0) ::shutdown(handle, static_cast<int>(how / 4 % 3));
    if (how % 4 == 1) (void)::recv(handle, bytes.data(), count, MSG_DONTWAIT);
    if (how % 4 == 2) (void)::send(handle, bytes.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (how % 4 == 3) hostile_.client->put_ballast();
  }
  // The other one says something, and hears what there is.
  void talk() {
    const std::string message = "m" + std::to_string(count_++);
    if (bystander_.client->send(message)) sent_ += message;
    hear();
  }
  void hear() {
    net.turn();
    got_ += bystander_.server->read_all();
  }

  Pair hostile_;  // its client is hostile
  Pair bystander_;
  std::string sent_;
  std::string got_;
  int count_ = 0;
};

}  // namespace
}  // namespace trunkline::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ::testing::FLAGS_gtest_throw_on_failure = true;  // what the tests' own helpers expect, too
  constexpr size_t kMost = 4096;
  trunkline::test::Bytes in(data, std::min(size, kMost));
  trunkline::test::Stage stage;
  while (in.any()) stage.step(in);
  stage.end();
  return 0;
}
