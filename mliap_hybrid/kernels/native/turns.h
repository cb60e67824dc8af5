// Work on numbered pieces by several threads whose results are added up in the order of the pieces: sums do not depend
// on the number of threads, to the last bit, and one array of sums is enough.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace mliap {

class Turns {
 public:
  // The next piece that no thread has taken.
  int64_t take() { return taken_++; }

  // Wait until all pieces before this one are finished; false if one of them has failed.
  bool wait_for(int64_t piece)
  {
    std::unique_lock<std::mutex> lock(mutex_);
    is_next_.wait(lock, [&] { return finished_ == piece || has_failed_; });
    return !has_failed_;
  }

  // After this piece's turn.
  void finish(bool has_failed)
  {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      finished_++;
      has_failed_ = has_failed;
    }
    is_next_.notify_all();
  }

 private:
  std::atomic<int64_t> taken_{0};
  int64_t finished_ = 0;
  bool has_failed_ = false;
  std::mutex mutex_;
  std::condition_variable is_next_;
};

}  // namespace mliap
