#include "budget/counting.h"

#include <dlfcn.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>

namespace {

using fairlead::testing::Counts;

enum class Role : uint8_t { kTest, kShard, kWriter, kUnknown };

struct Counters {
  std::atomic<uint64_t> waits, interests, receives, sends, wakes, accepts, socket_options, closes,
      disk_writes, allocations, allocated_bytes, held_bytes, encodings, timers_placed;
};
std::array<Counters, 4> counters;  // by Role

// Not zero at first: where a program's only thread-local data is zeros, mold 1.10 may lay it out so
// that the loader refuses the program.
thread_local Role role = Role::kUnknown;

// By the thread that calls.
Counters& mine() {
  if (role == Role::kUnknown) role = ::gettid() == ::getpid() ? Role::kTest : Role::kWriter;
  return counters[static_cast<std::size_t>(role)];
}

void count(std::atomic<uint64_t> Counters::*what, uint64_t amount = 1) {
  (mine().*what).fetch_add(amount, std::memory_order_relaxed);
}

// A place where threads of one kind stop while it is closed.
class Gate {
 public:
  // Whether it was closed.
  bool pass() {
    std::unique_lock lock(mutex_);
    if (open_) return false;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
    return true;
  }
  void await_somebody() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void set_open(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};
Gate turn_gate, disk_gate;

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::size_t size_in_heap(void* at) { return ::malloc_usable_size(at) + 8; }

void* counted(void* at, std::size_t asked_for) {
  if (!at) return at;
  count(&Counters::allocations);
  count(&Counters::allocated_bytes, asked_for);
  count(&Counters::held_bytes, size_in_heap(at));
  return at;
}

void uncount(void* at) {
  if (at) count(&Counters::held_bytes, 0 - size_in_heap(at));
}

}  // namespace

extern "C" {

int epoll_wait(int epoll, epoll_event* events, int count_max, int timeout) {
  static auto* const next = real<int(int, epoll_event*, int, int)>("epoll_wait");
  role = Role::kShard;
  count(&Counters::waits);
  const int ready = next(epoll, events, count_max, timeout);
  // Once it goes on, everything that has come meanwhile is ready.
  return turn_gate.pass() ? next(epoll, events, count_max, 0) : ready;
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  static auto* const next = real<int(int, int, int, epoll_event*)>("epoll_ctl");
  count(&Counters::interests);
  return next(epoll, operation, fd, event);
}

ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, void*, std::size_t, int)>("recv");
  count(&Counters::receives);
  return next(fd, data, size, flags);
}

ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t, int)>("send");
  count(&Counters::sends);
  return next(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const next = real<ssize_t(int, const msghdr*, int)>("sendmsg");
  count(&Counters::sends);
  return next(fd, message, flags);
}

ssize_t write(int fd, const void* data, std::size_t size) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t)>("write");
  count(&Counters::wakes);
  return next(fd, data, size);
}

ssize_t pwrite64(int fd, const void* data, std::size_t size, off64_t offset) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
  count(&Counters::disk_writes);
  if (role == Role::kWriter) disk_gate.pass();
  return next(fd, data, size, offset);
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static auto* const next = real<int(int, sockaddr*, socklen_t*, int)>("accept4");
  count(&Counters::accepts);
  return next(fd, address, size, flags);
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  static auto* const next = real<int(int, int, int, const void*, socklen_t)>("setsockopt");
  count(&Counters::socket_options);
  return next(fd, level, name, value, size);
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  static auto* const next = real<int(int, int, int, void*, socklen_t*)>("getsockopt");
  count(&Counters::socket_options);
  return next(fd, level, name, value, size);
}

int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
  static auto* const next = real<int(int, sockaddr*, socklen_t*)>("getsockname");
  count(&Counters::socket_options);
  return next(fd, address, size);
}

int shutdown(int fd, int how) noexcept {
  static auto* const next = real<int(int, int)>("shutdown");
  count(&Counters::closes);
  return next(fd, how);
}

int close(int fd) {
  static auto* const next = real<int(int)>("close");
  count(&Counters::closes);
  return next(fd);
}

// The C library's own: no look-up, which would allocate.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* at, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* at);

void* malloc(std::size_t size) { return counted(__libc_malloc(size), size); }
void* calloc(std::size_t items, std::size_t size) {
  return counted(__libc_calloc(items, size), items * size);
}
void* realloc(void* at, std::size_t size) {
  uncount(at);
  return counted(__libc_realloc(at, size), size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size), size);
}
void free(void* at) {
  uncount(at);
  __libc_free(at);
}

}  // extern "C"

namespace fairlead::testing {
namespace {

Counts read(const Counters& c) {
  return {.waits = c.waits,
          .interests = c.interests,
          .receives = c.receives,
          .sends = c.sends,
          .wakes = c.wakes,
          .accepts = c.accepts,
          .socket_options = c.socket_options,
          .closes = c.closes,
          .disk_writes = c.disk_writes,
          .allocations = c.allocations,
          .allocated_bytes = c.allocated_bytes,
          .held_bytes = static_cast<int64_t>(c.held_bytes.load()),
          .encodings = c.encodings,
          .timers_placed = c.timers_placed};
}

}  // namespace

Counts shard_counts() { return read(counters[static_cast<std::size_t>(Role::kShard)]); }
Counts writer_counts() { return read(counters[static_cast<std::size_t>(Role::kWriter)]); }

Counts operator-(const Counts& after, const Counts& before) {
  Counts d = after;
  d.waits -= before.waits;
  d.interests -= before.interests;
  d.receives -= before.receives;
  d.sends -= before.sends;
  d.wakes -= before.wakes;
  d.accepts -= before.accepts;
  d.socket_options -= before.socket_options;
  d.closes -= before.closes;
  d.disk_writes -= before.disk_writes;
  d.allocations -= before.allocations;
  d.allocated_bytes -= before.allocated_bytes;
  d.held_bytes -= before.held_bytes;
  d.encodings -= before.encodings;
  d.timers_placed -= before.timers_placed;
  return d;
}

HeldShard::HeldShard() { turn_gate.set_open(false); }
HeldShard::~HeldShard() {
  turn_gate.await_somebody();  // or it might go on with the first of what has come alone
  turn_gate.set_open(true);
}

HeldDisk::HeldDisk() { disk_gate.set_open(false); }
HeldDisk::~HeldDisk() { disk_gate.set_open(true); }
void HeldDisk::await_commit() { disk_gate.await_somebody(); }

void count_encoding() { count(&Counters::encodings); }
void count_timer_placed() { count(&Counters::timers_placed); }

}  // namespace fairlead::testing
