#include "budget/counting.h"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<uint64_t> epoll_ctl_count, wait_count, send_count, receive_count, write_count,
    allocation_count;

bool on_server_thread() { return ::gettid() != ::getpid(); }

void count(std::atomic<uint64_t>& counter) {
  if (on_server_thread()) counter.fetch_add(1, std::memory_order_relaxed);
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  static auto* const next = real<int(int, int, int, epoll_event*)>("epoll_ctl");
  count(epoll_ctl_count);
  return next(epoll, operation, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int count_max, int timeout) {
  static auto* const next = real<int(int, epoll_event*, int, int)>("epoll_wait");
  count(wait_count);
  return next(epoll, events, count_max, timeout);
}

ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t, int)>("send");
  count(send_count);
  return next(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const next = real<ssize_t(int, const msghdr*, int)>("sendmsg");
  count(send_count);
  return next(fd, message, flags);
}

ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, void*, std::size_t, int)>("recv");
  count(receive_count);
  return next(fd, data, size, flags);
}

ssize_t write(int fd, const void* data, std::size_t size) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t)>("write");
  count(write_count);
  return next(fd, data, size);
}

// The C library's own: no look-up, which would allocate.
void* __libc_malloc(std::size_t size);
void* __libc_realloc(void* at, std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);

void* malloc(std::size_t size) {
  count(allocation_count);
  return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) {
  count(allocation_count);
  return __libc_calloc(items, size);
}
void* realloc(void* at, std::size_t size) {
  count(allocation_count);
  return __libc_realloc(at, size);
}

}  // extern "C"

namespace fairlead::testing {

CallCounts server_calls() {
  return {.epoll_ctl = epoll_ctl_count,
          .waits = wait_count,
          .sends = send_count,
          .receives = receive_count,
          .wakes = write_count};
}

uint64_t server_allocations() { return allocation_count; }

}  // namespace fairlead::testing
