//! Tokens to [`RawModule`]: directives, declarations and statements.

use crate::fault::{ParseError, ParseKind};
use crate::lex::{Tok, Token, err, tokens};
use crate::syntax::{Guard, Operand, RawInst, RawKernel, RawModule, Variable};
use crate::types::Ty;

type Parsed<T> = Result<T, ParseError>;

/// Most registers one `%r<n>` declares here; ptxas allows more, kernels do not need them.
const MAX_REGS: i128 = 4096;
/// Largest variable, in bytes.
const MAX_BYTES: u64 = 1 << 20;

struct Parser {
    toks: Vec<Token>,
    at: usize,
}

pub(crate) fn parse(text: &str) -> Parsed<RawModule> {
    let mut p = Parser { toks: tokens(text)?, at: 0 };
    let mut module = RawModule::default();
    p.header(&mut module)?;
    while p.at < p.toks.len() {
        p.item(&mut module)?;
    }
    Ok(module)
}

impl Parser {
    fn line(&self) -> u32 {
        self.toks.get(self.at).or(self.toks.last()).map_or(1, |t| t.line)
    }

    fn peek(&self) -> Option<&Tok> {
        self.toks.get(self.at).map(|t| &t.tok)
    }

    fn next(&mut self) -> Parsed<Tok> {
        match self.toks.get(self.at) {
            Some(t) => {
                self.at += 1;
                Ok(t.tok.clone())
            }
            None => err(ParseKind::Syntax, self.line(), "the text ends in the middle of something"),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        err(ParseKind::Syntax, self.line(), message)
    }

    fn outside<T>(&self, message: impl Into<String>) -> Parsed<T> {
        err(ParseKind::Unsupported, self.line(), message)
    }

    fn is(&self, c: char) -> bool {
        self.peek() == Some(&Tok::Punct(c))
    }

    fn accept(&mut self, c: char) -> bool {
        let yes = self.is(c);
        self.at += yes as usize;
        yes
    }

    fn expect(&mut self, c: char) -> Parsed<()> {
        if self.accept(c) {
            return Ok(());
        }
        match self.peek() {
            Some(t) => self.fail(format!("expected '{c}', found {t:?}")),
            None => self.fail(format!("expected '{c}', found the end of the text")),
        }
    }

    fn dot_is(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Tok::Dot(s)) if s == name)
    }

    fn accept_dot(&mut self, name: &str) -> bool {
        let yes = self.dot_is(name);
        self.at += yes as usize;
        yes
    }

    fn word(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Tok::Word(s)) => {
                let s = s.clone();
                self.at += 1;
                Ok(s)
            }
            other => self.fail(format!("expected a name, found {other:?}")),
        }
    }

    fn int(&mut self) -> Parsed<i128> {
        let negative = self.accept('-');
        match self.next()? {
            Tok::Int(v) => Ok(if negative { -v } else { v }),
            other => {
                self.at -= 1;
                self.fail(format!("expected an integer, found {other:?}"))
            }
        }
    }

    fn header(&mut self, module: &mut RawModule) -> Parsed<()> {
        if !self.accept_dot("version") {
            return self.fail("the text must begin with .version");
        }
        let version = match self.next()? {
            Tok::Float(v) => v,
            _ => return self.fail("expected a version such as 7.0"),
        };
        // The literal has one digit behind the point.
        module.version = (version as u32, ((version * 10.0).round() as u32) % 10);
        if !(6.0..=9.5).contains(&version) {
            return self.outside(format!(".version {version} is not within 6.0 to 9.5"));
        }
        if !self.accept_dot("target") {
            return self.fail("expected .target behind .version");
        }
        let target = self.word()?;
        match target.strip_prefix("sm_").and_then(|s| s.parse::<u32>().ok()) {
            Some(t) if t >= 70 => module.target = t,
            _ => return self.outside(format!(".target {target}: sm_70 or higher, without a suffix, is supported")),
        }
        if !self.accept_dot("address_size") {
            return self.fail("expected .address_size 64 behind .target");
        }
        if self.int()? != 64 {
            return self.outside("only .address_size 64 is supported");
        }
        Ok(())
    }

    fn item(&mut self, module: &mut RawModule) -> Parsed<()> {
        let visible = self.accept_dot("visible");
        let external = !visible && self.accept_dot("extern");
        if self.accept_dot("entry") {
            if external {
                return self.outside(".extern .entry");
            }
            let kernel = self.kernel()?;
            if module.kernels.iter().any(|k| k.name == kernel.name) {
                return err(ParseKind::Name, kernel.line, format!("kernel {} is defined twice", kernel.name));
            }
            module.kernels.push(kernel);
            return Ok(());
        }
        if visible {
            return self.outside(".visible is supported on .entry only");
        }
        if self.accept_dot("shared") {
            let vars = self.variables(external, false)?;
            module.shared.extend(vars);
            return Ok(());
        }
        if external {
            return self.outside(".extern is supported on .shared only");
        }
        if self.accept_dot("const") {
            let vars = self.variables(false, true)?;
            module.constants.extend(vars);
            return Ok(());
        }
        match self.peek() {
            Some(Tok::Dot(s)) => self.outside(format!("directive .{s}")),
            other => self.fail(format!("expected a directive, found {other:?}")),
        }
    }

    fn ty(&mut self) -> Parsed<Ty> {
        let line = self.line();
        match self.next()? {
            Tok::Dot(s) => match Ty::parse(&s) {
                Some(t) => Ok(t),
                None => err(ParseKind::Unsupported, line, format!("type .{s}")),
            },
            other => err(ParseKind::Syntax, line, format!("expected a type, found {other:?}")),
        }
    }

    fn align(&mut self) -> Parsed<Option<u64>> {
        if !self.accept_dot("align") {
            return Ok(None);
        }
        match self.int()? {
            a @ 1..=256 if (a as u64).is_power_of_two() => Ok(Some(a as u64)),
            a => self.fail(format!(".align {a} is not a power of two up to 256")),
        }
    }

    /// What follows `.shared`, `.const` or `.param`, up to (not including) the `;`, `,` or `)`.
    fn variable(&mut self, open: bool, init: bool) -> Parsed<Variable> {
        let line = self.line();
        let align = self.align()?;
        if matches!(self.peek(), Some(Tok::Dot(s)) if s == "v2" || s == "v4") {
            return self.outside("variables of vector type");
        }
        let ty = self.ty()?;
        if ty == Ty::Pred {
            return self.fail("a predicate cannot live in memory");
        }
        self.declarator(line, align, ty, open, init)
    }

    fn declarator(&mut self, line: u32, align: Option<u64>, ty: Ty, open: bool, init: bool) -> Parsed<Variable> {
        let name = self.word()?;
        let mut bytes = Some(ty.size() as u64);
        let mut array = false;
        while self.accept('[') {
            if open && !array && self.accept(']') {
                bytes = None;
                array = true;
                break;
            }
            array = true;
            let n = self.int()?;
            self.expect(']')?;
            bytes = u64::try_from(n).ok().filter(|&n| n > 0).and_then(|n| bytes?.checked_mul(n));
            if bytes.is_none_or(|b| b > MAX_BYTES) {
                return err(ParseKind::Unsupported, line, format!("{name}: size not within 1 to {MAX_BYTES} bytes"));
            }
        }
        let mut values = Vec::new();
        if init && self.accept('=') {
            values = self.initialiser(ty, bytes.unwrap_or(0) as usize, array)?;
        }
        Ok(Variable { line, name, ty, align: align.unwrap_or(ty.size() as u64), bytes, init: values, array })
    }

    fn initialiser(&mut self, ty: Ty, bytes: usize, array: bool) -> Parsed<Vec<u8>> {
        let mut out = Vec::new();
        if array {
            self.expect('{')?;
        }
        loop {
            let negative = self.accept('-');
            let value = match (self.next()?, ty) {
                (Tok::Int(v), t) if !t.is_float() => (if negative { -v } else { v }) as u64,
                (Tok::F32(b), Ty::F32) if !negative => b as u64,
                (Tok::F64(b), Ty::F64) if !negative => b,
                (Tok::Float(v), Ty::F32) => (if negative { -v } else { v } as f32).to_bits() as u64,
                (Tok::Float(v), Ty::F64) => (if negative { -v } else { v }).to_bits(),
                (other, t) => return self.fail(format!("{other:?} does not initialise a {t:?}")),
            };
            out.extend_from_slice(&value.to_le_bytes()[..ty.size()]);
            if out.len() > bytes {
                return self.fail("more initial values than elements");
            }
            if !array || !self.accept(',') {
                break;
            }
        }
        if array {
            self.expect('}')?;
        }
        // Elements without a value are zero, as in C.
        out.resize(bytes, 0);
        Ok(out)
    }

    fn variables(&mut self, open: bool, constant: bool) -> Parsed<Vec<Variable>> {
        let first = self.variable(open, constant)?;
        let mut out = vec![first];
        while self.accept(',') {
            let (line, align, ty) = (out[0].line, out[0].align, out[0].ty);
            out.push(self.declarator(line, Some(align), ty, open, constant)?);
        }
        self.expect(';')?;
        for v in &out {
            if open != v.bytes.is_none() {
                return err(ParseKind::Unsupported, v.line, format!("{}: .extern goes with an open array []", v.name));
            }
            if constant && v.init.is_empty() {
                let what = format!("{}: .const without initial values (the host cannot write it here)", v.name);
                return err(ParseKind::Unsupported, v.line, what);
            }
        }
        Ok(out)
    }

    fn kernel(&mut self) -> Parsed<RawKernel> {
        let line = self.line();
        let name = self.word()?;
        let mut k = RawKernel {
            line,
            name,
            params: Vec::new(),
            reqntid: None,
            maxntid: None,
            regs: Vec::new(),
            shared: Vec::new(),
            labels: Vec::new(),
            insts: Vec::new(),
        };
        if self.accept('(') && !self.accept(')') {
            loop {
                if !self.accept_dot("param") {
                    return self.fail("expected .param");
                }
                k.params.push(self.param()?);
                if !self.accept(',') {
                    break;
                }
            }
            self.expect(')')?;
        }
        while let Some(Tok::Dot(d)) = self.peek().cloned() {
            self.at += 1;
            match d.as_str() {
                "reqntid" => k.reqntid = Some(self.triple()?),
                "maxntid" => k.maxntid = Some(self.triple()?),
                "minnctapersm" | "maxnreg" => {
                    self.int()?;
                }
                other => {
                    self.at -= 1;
                    return self.outside(format!("kernel directive .{other}"));
                }
            }
        }
        self.expect('{')?;
        while !self.accept('}') {
            self.statement(&mut k)?;
        }
        Ok(k)
    }

    /// A parameter; `.ptr` attributes between the type and the name are read and not used.
    fn param(&mut self) -> Parsed<Variable> {
        let line = self.line();
        let align = self.align()?;
        let ty = self.ty()?;
        if ty == Ty::Pred {
            return self.fail("a predicate cannot be a parameter");
        }
        if self.accept_dot("ptr") {
            if !matches!(ty, Ty::U64 | Ty::B64 | Ty::S64) {
                return self.fail(".ptr goes with a 64-bit integer");
            }
            let _ = ["global", "shared", "const"].iter().any(|s| self.accept_dot(s));
            self.align()?;
        }
        self.declarator(line, align, ty, false, false)
    }

    fn triple(&mut self) -> Parsed<[u32; 3]> {
        let mut out = [1; 3];
        for (i, slot) in out.iter_mut().enumerate() {
            if i > 0 && !self.accept(',') {
                break;
            }
            match self.int()? {
                v @ 1..=1024 => *slot = v as u32,
                v => return self.fail(format!("block dimension {v} is not within 1 to 1024")),
            }
        }
        Ok(out)
    }

    fn statement(&mut self, k: &mut RawKernel) -> Parsed<()> {
        if self.accept_dot("reg") {
            return self.reg(k);
        }
        if self.accept_dot("shared") {
            let vars = self.variables(false, false)?;
            k.shared.extend(vars);
            return Ok(());
        }
        if self.accept_dot("pragma") {
            if self.next()? != Tok::Str {
                return self.fail("expected a string behind .pragma");
            }
            return self.expect(';');
        }
        if let Some(Tok::Dot(d)) = self.peek() {
            return self.outside(format!("directive .{d} in a kernel body"));
        }
        if self.is('{') {
            return self.outside("nested blocks");
        }
        let line = self.line();
        if let (Some(Tok::Word(w)), Some(Token { tok: Tok::Punct(':'), .. })) =
            (self.peek(), self.toks.get(self.at + 1))
        {
            k.labels.push((line, w.clone(), k.insts.len()));
            self.at += 2;
            return Ok(());
        }
        let mut guard: Guard = None;
        if self.accept('@') {
            let negated = self.accept('!');
            guard = Some((self.word()?, negated));
        }
        let line = self.line();
        let name = self.word()?;
        let mut mods = Vec::new();
        while let Some(Tok::Dot(m)) = self.peek() {
            mods.push(m.clone());
            self.at += 1;
        }
        let mut operands = Vec::new();
        if !self.is(';') {
            loop {
                operands.push(self.operand(true)?);
                if !self.accept(',') {
                    break;
                }
            }
        }
        self.expect(';')?;
        k.insts.push(RawInst { line, guard, name, mods, operands });
        Ok(())
    }

    fn reg(&mut self, k: &mut RawKernel) -> Parsed<()> {
        if matches!(self.peek(), Some(Tok::Dot(s)) if s == "v2" || s == "v4") {
            return self.outside("registers of vector type");
        }
        let ty = self.ty()?;
        if ty.size() == 1 {
            return self.outside("8-bit registers");
        }
        loop {
            let line = self.line();
            let name = self.word()?;
            if self.accept('<') {
                let n = self.int()?;
                if !(1..=MAX_REGS).contains(&n) {
                    return self.outside(format!("register count {n} is not within 1 to {MAX_REGS}"));
                }
                self.expect('>')?;
                k.regs.extend((0..n).map(|i| (line, format!("{name}{i}"), ty)));
            } else {
                k.regs.push((line, name, ty));
            }
            if k.regs.len() as i128 > 4 * MAX_REGS {
                return self.outside("too many registers");
            }
            if !self.accept(',') {
                break;
            }
        }
        self.expect(';')
    }

    /// A name, with `.x`, `.y` or `.z` joined to a special register.
    fn name(&mut self) -> Parsed<String> {
        let mut s = self.word()?;
        if matches!(s.as_str(), "%tid" | "%ntid" | "%ctaid" | "%nctaid") {
            match self.peek() {
                Some(Tok::Dot(c)) if matches!(c.as_str(), "x" | "y" | "z") => {
                    s = format!("{s}.{c}");
                    self.at += 1;
                }
                _ => return self.outside(format!("{s} without .x, .y or .z")),
            }
        }
        Ok(s)
    }

    fn offset(&mut self) -> Parsed<i64> {
        let negative = self.is('-');
        if !self.accept('+') && !self.accept('-') {
            return Ok(0);
        }
        let v = self.int()?;
        i64::try_from(if negative { -v } else { v }).or_else(|_| self.fail("offset out of range"))
    }

    fn operand(&mut self, vectors: bool) -> Parsed<Operand> {
        if self.accept('[') {
            let out = if matches!(self.peek(), Some(Tok::Int(_))) {
                let v = self.int()?;
                Operand::AbsAddr(i64::try_from(v).or_else(|_| self.fail("address out of range"))?)
            } else {
                let name = self.name()?;
                Operand::Addr(name, self.offset()?)
            };
            self.expect(']')?;
            return Ok(out);
        }
        if vectors && self.accept('{') {
            let mut list = vec![self.operand(false)?];
            while self.accept(',') {
                list.push(self.operand(false)?);
            }
            self.expect('}')?;
            return Ok(Operand::Vec(list));
        }
        if self.accept('!') {
            return Ok(Operand::Not(self.word()?));
        }
        if matches!(self.peek(), Some(Tok::Word(_))) {
            let name = self.name()?;
            if self.accept('|') {
                return Ok(Operand::Pair(name, self.word()?));
            }
            if self.is('+') || self.is('-') {
                return Ok(Operand::Offset(name, self.offset()?));
            }
            return Ok(Operand::Name(name));
        }
        let negative = self.accept('-');
        let line = self.line();
        match self.next()? {
            Tok::Int(v) => Ok(Operand::Int(if negative { -v } else { v })),
            Tok::Float(v) => Ok(Operand::Float(if negative { -v } else { v })),
            Tok::F32(b) if !negative => Ok(Operand::F32(b)),
            Tok::F64(b) if !negative => Ok(Operand::F64(b)),
            other => err(ParseKind::Syntax, line, format!("expected an operand, found {other:?}")),
        }
    }
}
