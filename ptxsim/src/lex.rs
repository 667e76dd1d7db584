//! Text to tokens.

use crate::fault::{ParseError, ParseKind};

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Tok {
    /// A name, with the leading `%` of a register where it has one.
    Word(String),
    /// `.name`, which a directive, a modifier and a type all look like; `::` belongs to the name.
    Dot(String),
    Int(i128),
    /// A decimal floating literal.
    Float(f64),
    /// `0f3f800000`.
    F32(u32),
    /// `0d3ff0000000000000`.
    F64(u64),
    Str,
    Punct(char),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub tok: Tok,
    pub line: u32,
}

fn word_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || matches!(c, b'_' | b'$' | b'%')
}

fn word_part(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$')
}

pub(crate) fn err<T>(kind: ParseKind, line: u32, message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { kind, line, message: message.into() })
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn take_while(&mut self, f: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.at < self.text.len() && f(self.text[self.at]) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => {
                    self.line += 1;
                    self.at += 1;
                }
                (b' ' | b'\t' | b'\r', _) => self.at += 1,
                (b'/', b'/') => {
                    while self.at < self.text.len() && self.peek(0) != b'\n' {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => {
                    let line = self.line;
                    self.at += 2;
                    while (self.peek(0), self.peek(1)) != (b'*', b'/') {
                        if self.at >= self.text.len() {
                            return err(ParseKind::Syntax, line, "comment without an end");
                        }
                        if self.peek(0) == b'\n' {
                            self.line += 1;
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return Ok(()),
            }
        }
    }

    fn number(&mut self) -> Result<Tok, ParseError> {
        let line = self.line;
        let bad = |what: &str| ParseError { kind: ParseKind::Syntax, line, message: format!("bad number '{what}'") };
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X' | b'f' | b'F' | b'd' | b'D' | b'b' | b'B') {
            let form = self.peek(1).to_ascii_lowercase();
            self.at += 2;
            let digits = self.take_while(word_part);
            let all = format!("0{}{digits}", form as char);
            let (digits, radix) = match form {
                b'x' => (digits.trim_end_matches(['u', 'U']), 16),
                b'b' => (digits.trim_end_matches(['u', 'U']), 2),
                _ => (digits.as_str(), 16),
            };
            let exact = match form {
                b'f' => 8,
                b'd' => 16,
                _ => digits.len(),
            };
            if digits.len() != exact || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(bad(&all));
            }
            let value = u64::from_str_radix(digits, radix).map_err(|_| bad(&all))?;
            return Ok(match form {
                b'f' => Tok::F32(value as u32),
                b'd' => Tok::F64(value),
                _ => Tok::Int(value as i128),
            });
        }
        let mut s = self.take_while(|c| c.is_ascii_digit());
        let mut float = false;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            float = true;
            self.at += 1;
            s.push('.');
            s += &self.take_while(|c| c.is_ascii_digit());
        }
        let exponent = if matches!(self.peek(1), b'+' | b'-') { self.peek(2) } else { self.peek(1) };
        if matches!(self.peek(0), b'e' | b'E') && exponent.is_ascii_digit() {
            float = true;
            s.push('e');
            self.at += 1;
            if matches!(self.peek(0), b'+' | b'-') {
                s.push(self.peek(0) as char);
                self.at += 1;
            }
            s += &self.take_while(|c| c.is_ascii_digit());
        }
        let unsigned = !float && self.peek(0) == b'U';
        if unsigned {
            self.at += 1;
        }
        if word_part(self.peek(0)) {
            return Err(bad(&s));
        }
        if float {
            return s.parse().map(Tok::Float).map_err(|_| bad(&s));
        }
        // A leading zero means octal, as in C.
        let value = if s.len() > 1 && s.starts_with('0') { u64::from_str_radix(&s, 8) } else { s.parse() };
        value.map(|v| Tok::Int(v as i128)).map_err(|_| bad(&s))
    }
}

/// All tokens of `text`.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text: text.as_bytes(), at: 0, line: 1 };
    let mut out = Vec::new();
    loop {
        lexer.skip_space()?;
        if lexer.at >= lexer.text.len() {
            return Ok(out);
        }
        let (c, line) = (lexer.peek(0), lexer.line);
        let tok = if word_start(c) {
            lexer.at += 1;
            let mut s = (c as char).to_string();
            s += &lexer.take_while(word_part);
            Tok::Word(s)
        } else if c.is_ascii_digit() {
            lexer.number()?
        } else if c == b'.' && word_part(lexer.peek(1)) {
            lexer.at += 1;
            Tok::Dot(lexer.take_while(|c| word_part(c) || c == b':'))
        } else if c == b'"' {
            lexer.at += 1;
            lexer.take_while(|c| c != b'"' && c != b'\n');
            if lexer.peek(0) != b'"' {
                return err(ParseKind::Syntax, line, "string without an end");
            }
            lexer.at += 1;
            Tok::Str
        } else if c.is_ascii_graphic() {
            lexer.at += 1;
            Tok::Punct(c as char)
        } else {
            return err(ParseKind::Syntax, line, format!("byte {c:#04x} is not PTX"));
        };
        out.push(Token { tok, line });
    }
}
