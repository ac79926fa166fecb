// Values that are wording: what programs call things and write to say how to get at a value, and
// what people write for others to read.
#pragma once

#include <cstddef>
#include <string_view>

namespace agentbox::policy::detect {

// The parts of a name, as in "app.form.password-label" and "getUserToken".
bool is_identifier(std::string_view value);

// "LM_OWF_PASSWORD", "^TPasswd", "WPA2_PSK": what a program calls a constant or a type.
bool is_constant(std::string_view value);

// "AES-128-CBC-HMAC-SHA1", "llvm.x86.avx.addsub.pd.256", "Digest::HMAC_MD5": parts that are words,
// abbreviations and small numbers.
bool is_parted_words(std::string_view value);

// Marks around or between words, as in ":password", "#secret-field" and "cmds/pwd".
bool is_marked_word(std::string_view value);

// Words with blanks between. Random marks may have blanks among them.
bool is_sentence(std::string_view value);

// "word word word ...": what a wallet or a key is made from (BIP 39), of `least` words or more.
bool is_word_list(std::string_view value, std::size_t least);

// "(", "[" or "->" of an expression in code.
bool is_expression(std::string_view value);

// The same between quotes, where only what is plainly one counts: "load('./x.so')", "Jobs[-1].Id".
bool is_quoted_expression(std::string_view value);

// "value-%d", "{user}:{password}": put together when a program runs.
bool is_template(std::string_view value);

// No text in UTF-8: of a file whose strings have their lengths in front.
bool is_garbled(std::string_view value);

// "2016-09-08T21:47:36Z" (RFC 3339), "user@site.org", and a line of passwd(5).
bool is_record(std::string_view value);

// "\x63\x6c\x69…" of words.
bool is_escaped_words(std::string_view value);

}  // namespace agentbox::policy::detect
