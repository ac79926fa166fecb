#include "launcher/egress/dns_message.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace agentbox::egress {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

// `labels` in wire form, the root left out.
Bytes query_for(std::string_view labels, std::uint16_t type = kTypeA) {
  std::string message("\x12\x34\x01\0\0\1\0\0\0\0\0\0", 12);
  message += labels;
  message += '\0';
  message += static_cast<char>(type >> 8U);
  message += static_cast<char>(type & 0xffU);
  message.append("\0\1", 2);
  return bytes(message);
}

const Bytes kOption = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 10, 0, 0};

Bytes with_option(Bytes message) {
  message[11] = 1;
  message.insert(message.end(), kOption.begin(), kOption.end());
  return message;
}

ResponseCode error_of(const Bytes& message) {
  const std::optional<Query> query = parse_query(message);
  return query ? query->error : static_cast<ResponseCode>(255);
}

TEST(ParseQuery, ReadsNameTypeAndId) {
  const std::optional<Query> query = parse_query(query_for("\3WWW\7example\3com", kTypeAaaa));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->error, ResponseCode::kNoError);
  EXPECT_EQ(query->id, 0x1234);
  EXPECT_TRUE(query->recursion_desired);
  EXPECT_EQ(query->name, "WWW.example.com");
  EXPECT_EQ(query->type, kTypeAaaa);
}

TEST(ParseQuery, TakesOneOptionRecord) {
  EXPECT_EQ(error_of(with_option(query_for("\1a"))), ResponseCode::kNoError);
  Bytes other = with_option(query_for("\1a"));
  other[other.size() - kOption.size() + 2] = 16;  // TXT
  EXPECT_EQ(error_of(other), ResponseCode::kFormatError);
}

TEST(ParseQuery, DropsWhatIsNoQuery) {
  EXPECT_FALSE(parse_query({}));
  EXPECT_FALSE(parse_query(Bytes(11)));
  Bytes response = query_for("\1a");
  response[2] |= 0x80;
  EXPECT_FALSE(parse_query(response));
  Bytes huge = query_for("\1a");
  huge.resize(kLongestQuery + 1);
  EXPECT_FALSE(parse_query(huge));
}

TEST(ParseQuery, RefusesEveryTruncation) {
  const Bytes whole = with_option(query_for("\7example\3com"));
  for (std::size_t size = 12; size < whole.size(); ++size) {
    EXPECT_EQ(error_of(Bytes(whole.begin(), whole.begin() + static_cast<long>(size))),
              ResponseCode::kFormatError)
        << size;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_EQ(error_of(longer), ResponseCode::kFormatError);
}

TEST(ParseQuery, RefusesPointersLongNamesAndOtherSections) {
  EXPECT_EQ(error_of(query_for("\xc0\x0c")), ResponseCode::kFormatError);
  const std::string label = '\x3f' + std::string(63, 'a');
  EXPECT_EQ(error_of(query_for(label)), ResponseCode::kNoError);
  EXPECT_EQ(error_of(query_for('\x40' + std::string(64, 'a'))), ResponseCode::kFormatError);
  const std::string longest = label + label + label + '\x3d' + std::string(61, 'a');  // 254 + root
  EXPECT_EQ(error_of(query_for(longest)), ResponseCode::kNoError);
  EXPECT_EQ(error_of(query_for(label + label + label + '\x3e' + std::string(62, 'a'))),
            ResponseCode::kFormatError);
  for (const std::size_t count : {5U, 7U, 9U}) {  // questions, answers, authorities
    Bytes message = query_for("\1a");
    message[count] = 2;
    EXPECT_EQ(error_of(message), ResponseCode::kFormatError) << count;
  }
  Bytes chaos = query_for("\1a");
  chaos.back() = 3;
  EXPECT_EQ(error_of(chaos), ResponseCode::kFormatError);
  Bytes update = query_for("\1a");
  update[2] = 0x28;
  EXPECT_EQ(error_of(update), ResponseCode::kNotImplemented);
}

TEST(ParseQuery, NeverTurnsOneNameIntoAnother) {
  using namespace std::string_view_literals;
  EXPECT_EQ(parse_query(query_for("\3a.b\3com"sv))->name, "a\\046b.com");
  EXPECT_EQ(parse_query(query_for("\3a\0b\3com"sv))->name, "a\\000b.com");
  EXPECT_EQ(parse_query(query_for("\1\\\3com"sv))->name, "\\092.com");
  EXPECT_EQ(parse_query(query_for("\4\xc3\xa9\r\n\3com"sv))->name, "\\195\\169\\013\\010.com");
}

TEST(ParseQuery, StandsAnyBytes) {
  // A fixed linear congruence: the same bytes each time.
  std::uint32_t state = 1;
  for (int round = 0; round < 200000; ++round) {
    Bytes message = round % 2 == 0 ? with_option(query_for("\7example\3com")) : Bytes(40);
    for (int change = 0; change < 1 + round % 5; ++change) {
      state = state * 1664525U + 1013904223U;
      message[(state >> 8U) % message.size()] = static_cast<std::uint8_t>(state >> 24U);
    }
    if (const std::optional<Query> query = parse_query(message)) {
      EXPECT_LE(query->name.size(), std::size_t{4} * 255);
      EXPECT_LE(answer(*query, query->error).size(), std::size_t{512});
    }
  }
}

TEST(Answer, CarriesTheQuestionBackAndOneRecord) {
  const Query query = *parse_query(query_for("\1a"));
  const Bytes v4 = answer(query, ResponseCode::kNoError, Address::parse("198.18.0.1"));
  EXPECT_EQ(v4, bytes(std::string_view("\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
                                       "\1a\0\0\1\0\1"
                                       "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x12\0\1",
                                       35)));
  const Bytes v6 = answer(query, ResponseCode::kNoError, Address::parse("::1"));
  EXPECT_EQ(v6.size(), v4.size() + 12);
  const Bytes refused = answer(query, ResponseCode::kRefused);
  EXPECT_EQ(refused[3] & 15, 5);
  EXPECT_EQ(refused[7], 0);
}

}  // namespace
}  // namespace agentbox::egress
