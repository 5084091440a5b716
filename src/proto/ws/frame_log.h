#pragma once

#include <string>

#include "proto/ws/frame_reader.h"

// For tests: writes down the events of a FrameReader as text. Payload pieces are joined, for where
// they are cut depends on how the input was.

namespace fairlead {

class FrameLog {
 public:
  Flow on_data(MutableBytes piece) {
    broken_ = broken_ || piece.empty();
    data_.append(as_text(piece));
    return answer();
  }
  Flow on_message_end(Opcode kind) {
    flush();
    text_ += kind == Opcode::kText ? "end:text;" : "end:binary;";
    return answer();
  }
  Flow on_compressed(MutableBytes piece, LastPiece last, Opcode kind) {
    broken_ = broken_ || (piece.empty() && last == LastPiece::kNo);
    data_.append(as_text(piece));
    if (last == LastPiece::kNo) return answer();
    flush();
    return note(kind == Opcode::kText ? "deflated:text" : "deflated:binary", "");
  }
  Flow on_ping(Bytes payload) { return note("ping:", as_text(payload)); }
  Flow on_pong(Bytes payload) { return note("pong:", as_text(payload)); }
  Flow on_close(CloseCode code, std::string_view reason) {
    return note("close:" + std::to_string(static_cast<int>(code)) + ":", reason);
  }
  void verdict(std::optional<CloseCode> code) {
    flush();
    if (code) text_ += "broken:" + std::to_string(static_cast<int>(*code)) + ";";
  }

  // Events are answered with kStop from the next one on.
  void stop_always() { stop_ = true; }
  // How many callbacks there were.
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::string text() const { return broken_ ? "empty piece!" : text_; }

 private:
  Flow note(const std::string& what, std::string_view payload) {
    flush();
    text_.append(what).append(payload).append(";");
    return answer();
  }
  void flush() {
    if (!data_.empty()) text_.append("data:").append(data_).append(";");
    data_.clear();
  }
  Flow answer() {
    ++count_;
    return stop_ ? Flow::kStop : Flow::kContinue;
  }

  std::string data_;
  std::string text_;
  std::size_t count_ = 0;
  bool stop_ = false;
  bool broken_ = false;
};

}  // namespace fairlead
