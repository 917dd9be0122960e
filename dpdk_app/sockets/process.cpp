// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/process.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace trunkline::sockets {

std::unique_ptr<KickMemory> KickMemory::create(uint16_t workers) {
  if (!appring::SegmentGuard::install()) return nullptr;
  std::unique_ptr<KickMemory> out(new KickMemory);
  out->size_ = workers * sizeof(tls_kicks);
  out->fd_ = memfd_create("trunkline-kicks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (out->fd_ < 0 || ftruncate(out->fd_, static_cast<off_t>(out->size_)) != 0 ||
      fcntl(out->fd_, F_ADD_SEALS, kSeals) != 0) {
    return nullptr;
  }
  void* const base = mmap(nullptr, out->size_, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd_, 0);
  if (base == MAP_FAILED) return nullptr;
  out->base_ = base;
  out->range_ = appring::SegmentGuard::add(base, out->size_);
  if (out->range_ == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  for (uint16_t i = 0; i < workers; ++i) {
    const int doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (doorbell < 0) return nullptr;
    out->areas_.push_back({static_cast<tls_kicks*>(base) + i, doorbell});
  }
  return out;
}

KickMemory::~KickMemory() {
  if (range_ != nullptr) appring::SegmentGuard::remove(range_);
  for (const KickArea& area : areas_) close(area.doorbell);
  if (base_ != nullptr) munmap(base_, size_);
  if (fd_ >= 0) close(fd_);
}

std::vector<int> KickMemory::descriptors() const {
  std::vector<int> out = {fd_};
  for (const KickArea& area : areas_) out.push_back(area.doorbell);
  return out;
}

}  // namespace trunkline::sockets
