#include "store/sim_disk_for_test.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

namespace fairlead {
namespace {

constexpr std::size_t kSector = 512;

struct OpenFile {
  sqlite3_file base;  // first, as SQLite wants it
  SimDisk* disk;
  std::shared_ptr<SimDisk::File>* file;
};

OpenFile& open_file(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }
SimDisk::File& content(sqlite3_file* file) { return **open_file(file).file; }
SimDisk& disk_of(sqlite3_vfs* vfs) { return *static_cast<SimDisk*>(vfs->pAppData); }

void write_at(std::vector<std::byte>& file, std::size_t at, Bytes data) {
  if (file.size() < at + data.size()) file.resize(at + data.size());
  if (!data.empty()) std::memcpy(file.data() + at, data.data(), data.size());
}

void carry_out(std::vector<std::byte>& file, const SimDisk::Change& change) {
  if (change.length) {
    file.resize(std::min(file.size(), *change.length));
  } else {
    write_at(file, change.at, change.data);
  }
}

int close_file(sqlite3_file* file) {
  delete open_file(file).file;
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  if (!open_file(file).disk->count(SimDisk::Call::kRead)) return SQLITE_IOERR_READ;
  const auto& now = content(file).now;
  const auto at = std::min(static_cast<std::size_t>(offset), now.size());
  const auto wanted = static_cast<std::size_t>(size);
  const std::size_t there = std::min(wanted, now.size() - at);
  if (there > 0) std::memcpy(out, now.data() + at, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<std::byte*>(out) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

void write(SimDisk::File& file, std::size_t at, Bytes data) {
  write_at(file.now, at, data);
  file.unsynced.push_back({at, {data.begin(), data.end()}, {}});
}

int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  SimDisk& disk = *open_file(file).disk;
  const bool works = disk.count(SimDisk::Call::kWrite);
  if (disk.is_dead()) return SQLITE_IOERR_WRITE;
  const Bytes bytes{static_cast<const std::byte*>(data), static_cast<std::size_t>(size)};
  const auto at = static_cast<std::size_t>(offset);
  if (works && disk.is_full() && at + bytes.size() > content(file).now.size()) return SQLITE_FULL;
  write(content(file), at, works ? bytes : bytes.first(disk.random() % (bytes.size() + 1)));
  return works ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (!open_file(file).disk->count(SimDisk::Call::kTruncate)) return SQLITE_IOERR_TRUNCATE;
  SimDisk::File& one = content(file);
  one.unsynced.push_back({0, {}, static_cast<std::size_t>(size)});
  carry_out(one.now, one.unsynced.back());
  return SQLITE_OK;
}

int sync_file(sqlite3_file* file, int) {
  const bool works = open_file(file).disk->count(SimDisk::Call::kSync);
  if (open_file(file).disk->is_dead()) return SQLITE_IOERR_FSYNC;
  SimDisk::File& one = content(file);
  if (works) {
    for (const SimDisk::Change& each : one.unsynced) carry_out(one.on_disk, each);
    one.is_durable = true;
  }
  one.unsynced.clear();
  return works ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(content(file).now.size());
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_lock(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }  // what SQLite takes for granted on Linux
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_index(sqlite3_file* file, int region, int size, int extend, volatile void** out) {
  auto& index = content(file).index;
  const auto wanted = static_cast<std::size_t>(region);
  *out = nullptr;
  if (!open_file(file).disk->count(SimDisk::Call::kIndex)) return SQLITE_IOERR_SHMMAP;
  if (index.size() <= wanted && extend == 0) return SQLITE_OK;
  while (index.size() <= wanted) {
    index.push_back(std::make_unique<std::vector<std::byte>>(static_cast<std::size_t>(size)));
  }
  *out = index[wanted]->data();
  return SQLITE_OK;
}
int lock_index(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void index_barrier(sqlite3_file*) {}
int unmap_index(sqlite3_file* file, int remove) {
  if (remove != 0) content(file).index.clear();
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods{2,
                                      close_file,
                                      read_file,
                                      write_file,
                                      truncate_file,
                                      sync_file,
                                      size_of_file,
                                      lock_file,
                                      lock_file,
                                      check_lock,
                                      control,
                                      sector_size,
                                      characteristics,
                                      map_index,
                                      lock_index,
                                      index_barrier,
                                      unmap_index,
                                      nullptr,
                                      nullptr};

int open_by_name(sqlite3_vfs* vfs, const char* name, sqlite3_file* out, int flags, int* out_flags) {
  SimDisk& disk = disk_of(vfs);
  OpenFile& file = open_file(out);
  file.base.pMethods = nullptr;
  if (!disk.count(SimDisk::Call::kOpen)) return SQLITE_CANTOPEN;
  auto found = name ? disk.files.find(name) : disk.files.end();
  auto opened = found == disk.files.end() ? nullptr : found->second;
  if (!opened) {
    if (name && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    opened = std::make_shared<SimDisk::File>();
    if (name) disk.files.emplace(name, opened);
  }
  file.disk = &disk;
  file.file = new std::shared_ptr<SimDisk::File>(std::move(opened));
  file.base.pMethods = &kMethods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

int delete_by_name(sqlite3_vfs* vfs, const char* name, int) {
  if (!disk_of(vfs).count(SimDisk::Call::kDelete)) return SQLITE_IOERR_DELETE;
  return disk_of(vfs).files.erase(name) > 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int access_by_name(sqlite3_vfs* vfs, const char* name, int, int* out) {
  *out = disk_of(vfs).files.contains(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int random_bytes_of(sqlite3_vfs* vfs, int size, char* out) {
  std::generate_n(out, size, [&] { return static_cast<char>(disk_of(vfs).random()); });
  return size;
}

int sleep_for(sqlite3_vfs*, int microseconds) { return microseconds; }
int current_time(sqlite3_vfs*, double* out) {
  *out = 2'460'000.5;
  return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

struct SimDisk::Vfs : sqlite3_vfs {};

SimDisk::SimDisk(uint64_t seed)
    : random(seed), name_("sim-disk-" + std::to_string(reinterpret_cast<uintptr_t>(this))) {
  vfs_ = std::make_unique<Vfs>();
  static_cast<sqlite3_vfs&>(*vfs_) = {};
  vfs_->iVersion = 1;
  vfs_->szOsFile = sizeof(OpenFile);
  vfs_->mxPathname = 512;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = open_by_name;
  vfs_->xDelete = delete_by_name;
  vfs_->xAccess = access_by_name;
  vfs_->xFullPathname = full_name;
  vfs_->xRandomness = random_bytes_of;
  vfs_->xSleep = sleep_for;
  vfs_->xCurrentTime = current_time;
  vfs_->xGetLastError = last_error;
  sqlite3_vfs_register(vfs_.get(), 0);
}

SimDisk::~SimDisk() { sqlite3_vfs_unregister(vfs_.get()); }

bool SimDisk::count(Call call) {
  ++calls_;
  if (call == Call::kWrite) ++writes_;
  if (call == Call::kSync && spare_syncs_) return !is_dead();
  return !is_dead() && (!failing_call_ || calls_ != *failing_call_);
}

void SimDisk::crash(Lost lost) {
  for (auto at = files.begin(); at != files.end();) {
    File& file = *at->second;
    file.index.clear();
    const bool goes = !file.is_durable && (lost == Lost::kAll || chance());
    if (lost != Lost::kNothing && goes) {
      at = files.erase(at);
      continue;
    }
    if (lost == Lost::kBySector) {
      for (const Change& change : file.unsynced) apply_in_part(file.on_disk, change);
    }
    if (lost != Lost::kNothing) {
      file.unsynced.clear();
      file.now = file.on_disk;
    }
    ++at;
  }
  failing_call_.reset();
  last_call_.reset();
  make_room();
}

void SimDisk::apply_in_part(std::vector<std::byte>& file, const Change& change) {
  if (change.length) {
    if (chance()) carry_out(file, change);
    return;
  }
  for (std::size_t begin = 0; begin < change.data.size();) {
    const std::size_t sector_end = ((change.at + begin) / kSector + 1) * kSector - change.at;
    const std::size_t end = std::min(change.data.size(), sector_end);
    if (chance()) {
      write_at(file, change.at + begin, Bytes(change.data).subspan(begin, end - begin));
    }
    begin = end;
  }
}

}  // namespace fairlead
