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

int64_t time_of_day_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

}  // namespace

Writer::Writer(WriterConfig config, std::shared_ptr<Tap> tap)
    : config_(std::move(config)), tap_(std::move(tap)) {
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
  stop_.store(true, std::memory_order_release);
  thread_.join();
  drain();
  const uint64_t lost = tap_->lost();
  for (uint32_t i = 0; i < config_.interfaces.size(); ++i) {
    append_statistics(out_, i, time_of_day_ns(), packets() + lost, lost);
  }
  flush();
  close(config_.fd);
}

void Writer::run() {
  flush();  // a reader sees at once that the capture runs
  while (!stop_.load(std::memory_order_acquire)) {
    const size_t written = drain();
    if (done() || !flush()) break;
    if (written == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  done_.store(true, std::memory_order_release);
}

size_t Writer::drain() {
  size_t count = 0;
  Tap::Record record;
  while (!(config_.max_packets != 0 && packets() >= config_.max_packets) &&
         tap_->pop(record, frame_)) {
    PacketRecord packet;
    packet.interface = record.port;
    packet.time_ns = record.time_ns + config_.time_offset_ns;
    packet.direction = record.direction;
    packet.original_length = record.length;
    packet.bytes = frame_;
    if (record.drop != 0) packet.comment = net::kNetCounterInfo[record.drop - 1].name;
    append_packet(out_, packet);
    packets_.store(packets() + 1, std::memory_order_relaxed);
    ++count;
    if (out_.size() >= kFlushAt && !flush()) break;
  }
  if (config_.max_packets != 0 && packets() >= config_.max_packets) {
    done_.store(true, std::memory_order_release);
  }
  return count;
}

bool Writer::flush() {
  size_t written = 0;
  auto give_up = std::chrono::steady_clock::time_point::max();
  while (written < out_.size() && error() == 0) {
    size_t length = out_.size() - written;
    if (may_block_) {
      // A pipe takes this much without blocking once it says that it is ready; nobody may be
      // reading it, and then the end of the capture must not wait for ever.
      length = std::min<size_t>(length, PIPE_BUF);
      pollfd ready{config_.fd, POLLOUT, 0};
      if (poll(&ready, 1, 100) == 0) {
        const auto now = std::chrono::steady_clock::now();
        if (!stop_.load(std::memory_order_acquire)) continue;
        give_up = std::min(give_up, now + std::chrono::seconds(1));
        if (now >= give_up) error_.store(ETIMEDOUT, std::memory_order_relaxed);
        continue;
      }
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
