// SPDX-License-Identifier: BSD-3-Clause
// Making, sealing and mapping the memfd of a client.
#include "appring/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace trunkline::appring {

std::unique_ptr<Segment> Segment::create(const tlr_geometry& geometry, Seals seals) {
  if (tlr_geometry_valid(&geometry) == 0) {
    errno = EINVAL;
    return nullptr;
  }
  if (!SegmentGuard::install()) return nullptr;
  std::unique_ptr<Segment> segment(new Segment);
  segment->geometry_ = geometry;
  const uint64_t size = tlr_segment_size(&geometry);
  segment->fd_ = memfd_create("trunkline-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (segment->fd_ < 0) return nullptr;
  if (ftruncate(segment->fd_, static_cast<off_t>(size)) != 0) return nullptr;
  if (const int error = posix_fallocate(segment->fd_, 0, static_cast<off_t>(size)); error != 0) {
    errno = error;
    return nullptr;
  }
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (seals == Seals::kOn && fcntl(segment->fd_, F_ADD_SEALS, kSeals) != 0) return nullptr;
  void* const base =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, segment->fd_, 0);
  if (base == MAP_FAILED) return nullptr;
  segment->base_ = static_cast<uint8_t*>(base);
  segment->size_ = size;
  segment->range_ = SegmentGuard::add(base, size);
  if (segment->range_ == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  tlr_segment_header header{};
  header.magic = TLR_MAGIC;
  header.abi_version = TLR_ABI_VERSION;
  header.segment_size = size;
  header.geometry = geometry;
  std::memcpy(segment->base_, &header, sizeof(header));
  return segment;
}

Segment::~Segment() {
  SegmentGuard::remove(range_);
  if (base_ != nullptr) munmap(base_, size_);
  if (fd_ >= 0) close(fd_);
}

}  // namespace trunkline::appring
