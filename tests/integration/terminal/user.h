// A user at a terminal, for tests: a program in a PTY of its own, typed at and read from.
#pragma once

#include <signal.h>
#include <termios.h>

#include <string>
#include <vector>

namespace agentbox::terminal {

class User {
 public:
  // Starts the program in a new session with the terminal as its own.
  explicit User(const std::vector<std::string>& command);
  ~User();  // kills what is left
  User(const User&) = delete;
  User& operator=(const User&) = delete;

  void type(const std::string& keys);
  // Reads until `text` has been shown (after what earlier calls waited for). False if the program
  // ends or nothing comes for 20 s.
  bool sees(const std::string& text);
  // Whether the rest up to the program's end was read; then status() is known.
  bool ends();
  // What was shown so far.
  const std::string& screen() const { return screen_; }
  int status() const { return status_; }  // as waitpid(2)
  pid_t process() const { return process_; }
  int terminal() const { return slave_; }  // the user's side, kept open here
  termios settings() const;
  bool raw() const;
  void resize(unsigned short rows, unsigned short columns);
  // Answers each query `ask` with `reply`, `delay_ms` later, from now on.
  void answer(const std::string& ask, const std::string& reply, int delay_ms);

 private:
  bool read_some(int timeout_ms);

  int master_ = -1, slave_ = -1, status_ = -1;
  pid_t process_ = -1;
  bool ended_ = false;
  std::string screen_;
  std::size_t seen_ = 0;
  struct Answer {
    std::string ask, reply;
    int delay_ms;
    std::size_t searched;
  };
  std::vector<Answer> answers_;
};

// The driver's path, which the build gives, and its arguments.
std::vector<std::string> driver(const std::vector<std::string>& options,
                                const std::vector<std::string>& command);

}  // namespace agentbox::terminal
