#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead {

// Whether files are other ones than they were: asked from time to time, it compares what the
// system says about them, through all symbolic links. Renaming a new file into place, changing
// where a link points and writing over a file are all seen, and so are files that come and go.
// Cost: one stat for each file and question. One thread.
class FileWatch {
 public:
  // From now on these, as they are at this moment. To be called before they are read.
  void begin(std::vector<std::string> files);

  // True once for each change, when the files were the same at the last two questions: who writes
  // several of them, or a large one, is not disturbed in between.
  [[nodiscard]] bool settled_change();

 private:
  struct Mark {  // all zero: there is no such file
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  [[nodiscard]] std::vector<Mark> look() const;

  std::vector<std::string> files_;
  std::vector<Mark> known_;   // as they were told about, or at the beginning
  std::vector<Mark> latest_;  // at the last question
};

}  // namespace fairlead
