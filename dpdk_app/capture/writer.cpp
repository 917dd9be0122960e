// SPDX-License-Identifier: BSD-3-Clause
// Writing of capture files.
#include "capture/writer.h"

#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "net/counters.h"

namespace trunkline::capture {
namespace {

constexpr size_t kFlushAt = 256 * 1024;
constexpr uint32_t kSnapLength = 65535;
constexpr int64_t kSettle = 20'000'000;       // nanoseconds
constexpr std::chrono::seconds kPatience{1};  // with a reader, once the capture is to end

int64_t time_of_day_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

}  // namespace

Writer::Writer(WriterConfig config, std::vector<std::shared_ptr<Tap>> taps)
    : config_(std::move(config)), taps_(std::move(taps)), fronts_(taps_.size()) {
  struct stat found {};
  may_block_ = fstat(config_.fd, &found) == 0 && !S_ISREG(found.st_mode);
  append_section_header(out_, config_.application, config_.comment);
  for (const auto& interface : config_.interfaces) {
    append_interface(out_, interface.name, interface.description, kSnapLength);
  }
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "capture");
}

Writer::~Writer() {
  finish();
}

void Writer::finish() {
  if (!thread_.joinable()) return;
  give_up_ = std::chrono::steady_clock::now() + kPatience;
  stop_.store(true, std::memory_order_release);
  thread_.join();
  drain(INT64_MAX);
  for (uint32_t i = 0; i < config_.interfaces.size(); ++i) {
    append_statistics(out_, i, time_of_day_ns(), packets() + lost(), lost());
  }
  flush();
  close(config_.fd);
}

void Writer::run() {
  flush();  // a reader sees at once that the capture runs
  while (!stop_.load(std::memory_order_acquire)) {
    // With several workers, what is this young may still be overtaken by another one's.
    const bool several = taps_.size() > 1;
    const size_t written =
        drain(several ? time_of_day_ns() - config_.time_offset_ns - kSettle : INT64_MAX);
    if (done() || !flush()) break;
    if (written == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  done_.store(true, std::memory_order_release);
}

uint64_t Writer::lost() const {
  uint64_t lost = 0;
  for (const auto& tap : taps_) lost += tap->lost();
  return lost;
}

Writer::Front* Writer::oldest() {
  Front* first = nullptr;
  for (size_t i = 0; i < taps_.size(); ++i) {
    Front& front = fronts_[i];
    if (!front.there) front.there = taps_[i]->pop(front.record, front.frame);
    if (!front.there) continue;
    if (first == nullptr || front.record.time_ns < first->record.time_ns) first = &front;
  }
  return first;
}

void Writer::write_packet(const Front& front) {
  PacketRecord packet;
  packet.interface = front.record.port;
  packet.time_ns = front.record.time_ns + config_.time_offset_ns;
  packet.direction = front.record.direction;
  packet.original_length = front.record.length;
  packet.bytes = front.frame;
  if (front.record.drop != 0) packet.comment = net::kNetCounterInfo[front.record.drop - 1].name;
  append_packet(out_, packet);
  packets_.store(packets() + 1, std::memory_order_relaxed);
}

size_t Writer::drain(int64_t until) {
  const auto full = [this] { return config_.max_packets != 0 && packets() >= config_.max_packets; };
  size_t count = 0;
  while (!full()) {
    Front* const front = oldest();
    if (front == nullptr || front->record.time_ns > until) break;
    write_packet(*front);
    front->there = false;
    ++count;
    if (out_.size() >= kFlushAt && !flush()) break;
  }
  if (full()) done_.store(true, std::memory_order_release);
  return count;
}

bool Writer::flush() {
  size_t written = 0;
  while (written < out_.size() && error() == 0) {
    size_t length = out_.size() - written;
    if (may_block_) {
      // A pipe takes this much without blocking once it says that it is ready; nobody may be
      // reading it, or somebody slowly, and then the end of the capture must not wait for ever.
      length = std::min<size_t>(length, PIPE_BUF);
      if (stop_.load(std::memory_order_acquire) && std::chrono::steady_clock::now() >= give_up_) {
        error_.store(ETIMEDOUT, std::memory_order_relaxed);
        break;
      }
      pollfd ready{config_.fd, POLLOUT, 0};
      if (poll(&ready, 1, 100) == 0) continue;
    }
    const ssize_t n = write(config_.fd, out_.data() + written, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      error_.store(n < 0 ? errno : EIO, std::memory_order_relaxed);
      break;
    }
    written += static_cast<size_t>(n);
  }
  out_.clear();
  if (error() != 0) done_.store(true, std::memory_order_release);
  return error() == 0;
}

}  // namespace trunkline::capture
