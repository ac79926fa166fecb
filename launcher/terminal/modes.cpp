#include "launcher/terminal/modes.h"

namespace agentbox::terminal {

Modes private_mode(unsigned number) {
  switch (number) {
    case 1:
      return kCursorKeys;
    case 5:
      return kReverse;
    case 6:
      return kOrigin;
    case 7:
      return kNoWrap;
    case 25:
      return kCursorHidden;
    case 47:
    case 1047:
      return kAlternateOld;
    case 1049:
      return kAlternate;
    case 66:
      return kKeypad;
    case 9:
    case 1000:
    case 1001:
    case 1002:
    case 1003:
    case 1005:
    case 1006:
    case 1015:
    case 1016:
      return kMouse;
    case 1004:
      return kFocus;
    case 2004:
      return kPaste;
    case 2026:
      return kSynchronized;
    case 2031:
      return kColourReports;
    case 2048:
      return kSizeReports;
    default:
      return 0;
  }
}

}  // namespace agentbox::terminal
