//! A parser of `include/blo.h`, and of nothing else: cbindgen writes it in one regular shape, and what is not of that shape
//! is refused with its line.

use std::collections::HashMap;

/// The header in its own order, in which everything is declared before it is used.
pub struct Header {
    /// The comment at the top.
    pub manual: String,
    pub items: Vec<Item>,
}

/// One declaration with its comment, without the comment's signs.
pub struct Item {
    pub name: String,
    pub doc: String,
    pub kind: Kind,
}

#[derive(Debug, PartialEq)]
pub enum Kind {
    /// `#define NAME value`
    Constant(i64),
    /// `typedef struct NAME NAME;`, known by pointers only.
    Handle,
    /// `typedef int32_t NAME;`
    Alias(Type),
    /// `typedef struct NAME { ... } NAME;`
    Struct(Vec<Variable>),
    /// `typedef RESULT (*NAME)(...);`
    Callback(Signature),
    Function(Signature),
}

#[derive(Debug, PartialEq)]
pub struct Signature {
    pub result: Type,
    pub parameters: Vec<Variable>,
}

/// A parameter, or a field of a struct.
#[derive(Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    pub doc: String,
    pub ty: Type,
}

/// `const double *` is double, 1 pointer, constant; `struct blo_problem_f64 **` is blo_problem_f64, 2 pointers.
#[derive(Debug, PartialEq, Clone)]
pub struct Type {
    pub name: String,
    pub pointers: usize,
    /// What the innermost pointer points to is not written.
    pub constant: bool,
    /// Of an array in a struct.
    pub length: Option<usize>,
}

/// The types of C that the header may use.
pub const BASE: [&str; 14] = [
    "void", "char", "float", "double", "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t",
    "uint64_t", "size_t", "bool",
];

impl Header {
    /// The functions with their signatures, in order.
    pub fn functions(&self) -> impl Iterator<Item = (&Item, &Signature)> {
        self.items.iter().filter_map(|item| match &item.kind {
            Kind::Function(signature) => Some((item, signature)),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Sign(char),
    Doc(String),
    Define(String, i64),
}

/// Reads a whole header. An error names the line.
pub fn parse(text: &str) -> Result<Header, String> {
    let (manual, tokens) = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, known: HashMap::new() };
    let mut items = Vec::new();
    while parser.at < parser.tokens.len() {
        let item = parser.item()?;
        parser.declare(&item)?;
        items.push(item);
    }
    Ok(Header { manual, items })
}

/// The lines of a comment without its signs.
fn plain(comment: &str) -> String {
    let mut lines = Vec::new();
    for line in comment.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix('*').map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        lines.push(line.trim_end());
    }
    lines.join("\n").trim().to_owned()
}

fn tokens(text: &str) -> Result<(String, Vec<(usize, Token)>), String> {
    let (mut manual, mut found) = (String::new(), Vec::new());
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or(format!("line {line}: a comment that does not end"))?;
            if let Some(doc) = rest[..end].strip_prefix("/**") {
                found.push((line, Token::Doc(plain(doc))));
            } else if manual.is_empty() {
                manual = plain(&rest[2..end]);
            }
            end + 2
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '#' {
            let end = rest.find('\n').unwrap_or(rest.len());
            directive(&rest[..end], line, &mut found)?;
            if rest[..end].trim_end() == "#ifdef __cplusplus" {
                let close = rest.find("\n#endif").ok_or(format!("line {line}: #ifdef without #endif"))? + 1;
                close + rest[close..].find('\n').unwrap_or(rest.len() - close)
            } else {
                end
            }
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.push((line, Token::Word(word.clone())));
            word.len()
        } else if "(){}[]*,;".contains(first) {
            found.push((line, Token::Sign(first)));
            1
        } else {
            return Err(format!("line {line}: '{first}' is not known"));
        };
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    Ok((manual, found))
}

/// A line that begins with #: a constant, or one of the header's frame.
fn directive(text: &str, line: usize, found: &mut Vec<(usize, Token)>) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["#include", _] | ["#ifndef" | "#define", "BLO_H"] | ["#ifdef", "__cplusplus"] | ["#endif", ..] => {}
        ["#define", name, value] => {
            let value = value.parse().map_err(|_| format!("line {line}: {name} is not an integer: {value}"))?;
            found.push((line, Token::Define((*name).to_owned(), value)));
        }
        _ => return Err(format!("line {line}: not known: {text}")),
    }
    Ok(())
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Each type that was declared, and whether it has a size.
    known: HashMap<String, bool>,
}

impl Parser {
    fn wrong<T>(&self, expected: &str) -> Result<T, String> {
        match self.tokens.get(self.at) {
            Some((line, token)) => Err(format!("line {line}: found {token:?}, expected {expected}")),
            None => Err(format!("the header ends, expected {expected}")),
        }
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        if !self.take(sign) {
            return self.wrong(&format!("'{sign}'"));
        }
        Ok(())
    }

    fn take(&mut self, sign: char) -> bool {
        let there = self.peek(0) == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn word(&mut self) -> Result<String, String> {
        match self.peek(0) {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.wrong("a word"),
        }
    }

    fn take_word(&mut self, expected: &str) -> bool {
        let there = matches!(self.peek(0), Some(Token::Word(word)) if word == expected);
        self.at += usize::from(there);
        there
    }

    fn doc(&mut self) -> String {
        match self.peek(0) {
            Some(Token::Doc(doc)) => {
                let doc = doc.clone();
                self.at += 1;
                doc
            }
            _ => String::new(),
        }
    }

    fn item(&mut self) -> Result<Item, String> {
        let doc = self.doc();
        let (name, kind) = if let Some(Token::Define(name, value)) = self.peek(0).cloned() {
            self.at += 1;
            (name, Kind::Constant(value))
        } else if self.take_word("typedef") {
            self.typedef()?
        } else {
            let result = self.base()?;
            let name = self.word()?;
            let parameters = self.parameters()?;
            (name, Kind::Function(Signature { result, parameters }))
        };
        if !matches!(kind, Kind::Constant(_)) {
            self.sign(';')?;
        }
        Ok(Item { name, doc, kind })
    }

    fn typedef(&mut self) -> Result<(String, Kind), String> {
        let opaque = matches!(
            (self.peek(0), self.peek(1), self.peek(2)),
            (Some(Token::Word(word)), Some(Token::Word(tag)), Some(Token::Word(name))) if word == "struct" && tag == name
        );
        if opaque {
            self.at += 2;
            return Ok((self.word()?, Kind::Handle));
        }
        if matches!(self.peek(0), Some(Token::Word(word)) if word == "struct")
            && self.peek(2) == Some(&Token::Sign('{'))
        {
            self.at += 1;
            let tag = self.word()?;
            self.sign('{')?;
            let mut fields = Vec::new();
            while !self.take('}') {
                let doc = self.doc();
                let mut field = self.variable()?;
                field.doc = doc;
                self.sign(';')?;
                if self.known.get(&field.ty.name) == Some(&false) && field.ty.pointers == 0 {
                    return self.wrong("a field of known size");
                }
                fields.push(field);
            }
            if !self.take_word(&tag) {
                return self.wrong(&tag);
            }
            return Ok((tag, Kind::Struct(fields)));
        }
        let result = self.base()?;
        if self.take('(') {
            self.sign('*')?;
            let name = self.word()?;
            self.sign(')')?;
            let parameters = self.parameters()?;
            return Ok((name, Kind::Callback(Signature { result, parameters })));
        }
        Ok((self.word()?, Kind::Alias(result)))
    }

    fn parameters(&mut self) -> Result<Vec<Variable>, String> {
        self.sign('(')?;
        let mut found = Vec::new();
        if self.peek(1) == Some(&Token::Sign(')')) && self.take_word("void") {
            self.at += 1;
            return Ok(found);
        }
        loop {
            found.push(self.variable()?);
            if self.take(')') {
                return Ok(found);
            }
            self.sign(',')?;
        }
    }

    fn variable(&mut self) -> Result<Variable, String> {
        let mut ty = self.base()?;
        let name = self.word()?;
        if self.take('[') {
            let length = self.word()?;
            let Ok(length) = length.parse() else { return self.wrong("the length of an array") };
            ty.length = Some(length);
            self.sign(']')?;
        }
        Ok(Variable { name, doc: String::new(), ty })
    }

    /// `[const] [struct] NAME *...`
    fn base(&mut self) -> Result<Type, String> {
        let constant = self.take_word("const");
        self.take_word("struct");
        let name = self.word()?;
        if !BASE.contains(&name.as_str()) && !self.known.contains_key(&name) {
            self.at -= 1;
            return self.wrong("a type that was declared before");
        }
        let mut pointers = 0;
        while self.take('*') {
            pointers += 1;
        }
        Ok(Type { name, pointers, constant, length: None })
    }

    fn declare(&mut self, item: &Item) -> Result<(), String> {
        let sized = match &item.kind {
            Kind::Constant(_) | Kind::Function(_) => return Ok(()),
            Kind::Handle => false,
            Kind::Alias(_) | Kind::Struct(_) | Kind::Callback(_) => true,
        };
        match self.known.insert(item.name.clone(), sized) {
            Some(_) => Err(format!("{} is declared twice", item.name)),
            None => Ok(()),
        }
    }
}
