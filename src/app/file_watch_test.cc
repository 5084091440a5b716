#include "app/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    write("a", "one");
    watch_.begin({path("a"), path("b")});
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  // Whether a change is told, at the second question at the latest, and then not again.
  bool told() {
    const bool at_once = watch_.settled_change();
    const bool then = watch_.settled_change();
    EXPECT_FALSE(at_once);
    EXPECT_FALSE(watch_.settled_change());
    return then;
  }

  TempDir dir_;
  FileWatch watch_;
};

TEST_F(FileWatchTest, NothingIsToldWhenNothingChanges) {
  EXPECT_FALSE(told());
  FileWatch none;
  EXPECT_FALSE(none.settled_change());
}

TEST_F(FileWatchTest, EveryKindOfChangeIsToldOnce) {
  write("a", "one and more");
  EXPECT_TRUE(told());
  write("new", "one and less");
  std::filesystem::rename(path("new"), path("a"));
  EXPECT_TRUE(told());
  write("b", "comes");
  EXPECT_TRUE(told());
  std::filesystem::remove(path("b"));
  EXPECT_TRUE(told());
}

// As a cluster's volumes are updated: the link that is looked through points elsewhere.
TEST_F(FileWatchTest, ALinkThatPointsElsewhereIsAChange) {
  for (const char* version : {"v1", "v2"}) {
    std::filesystem::create_directory(path(version));
    write(std::string(version) + "/tls.crt", "same size");
  }
  std::filesystem::create_directory_symlink("v1", path("data"));
  std::filesystem::create_symlink("data/tls.crt", path("tls.crt"));
  watch_.begin({path("tls.crt")});
  EXPECT_FALSE(told());
  std::filesystem::create_directory_symlink("v2", path("data.new"));
  std::filesystem::rename(path("data.new"), path("data"));
  EXPECT_TRUE(told());
}

TEST_F(FileWatchTest, WhileFilesAreBeingWrittenItIsNotTold) {
  for (int i = 1; i <= 5; ++i) {
    write("b", std::string(static_cast<std::size_t>(i), 'x'));
    EXPECT_FALSE(watch_.settled_change());
  }
  EXPECT_TRUE(watch_.settled_change());
}

}  // namespace
}  // namespace fairlead
