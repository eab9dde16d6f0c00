//! From the text of an expression to its parts.

use super::{Node, USER};

/// Most that something may be said to repeat.
const MAX_REPEAT: u32 = 1000;
/// How deep groups may stand in groups.
const MAX_DEPTH: usize = 50;

pub(super) fn read(text: &[u8]) -> Result<Vec<Vec<Node>>, String> {
    let mut reader = Reader { text, at: 0 };
    let all = reader.alternatives(0)?;
    match reader.peek() {
        None => Ok(all),
        Some(_) => Err("`)` without `(`".into()),
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Node>>, String> {
        let mut all = vec![self.sequence(depth)?];
        while self.eat(b'|') {
            all.push(self.sequence(depth)?);
        }
        Ok(all)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            let node = self.one(depth)?;
            let node = self.repeated(node)?;
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn one(&mut self, depth: usize) -> Result<Node, String> {
        match self.next() {
            Some(b'.') => Ok(Node::Any),
            Some(b'^') => Ok(Node::Start),
            Some(b'$') => Ok(Node::End),
            Some(b'(') => self.group(depth),
            Some(b'[') => self.class(),
            Some(b'\\') => self.escape(),
            Some(byte @ (b'*' | b'+' | b'?')) => {
                Err(format!("`{}` has nothing before it to repeat", char::from(byte)))
            }
            Some(USER) => Ok(Node::User),
            Some(byte) => Ok(Node::Byte(byte)),
            None => Err("it ends too early".into()),
        }
    }

    fn group(&mut self, depth: usize) -> Result<Node, String> {
        if depth == MAX_DEPTH {
            return Err("groups stand too deep in groups".into());
        }
        if self.peek() == Some(b'?') {
            if self.rest().starts_with(b"?:") {
                self.at += 2;
            } else {
                let shown = self.rest().get(..2).unwrap_or(self.rest());
                let shown = String::from_utf8_lossy(shown);
                return Err(format!("`({shown}` looks around, remembers or switches"));
            }
        } else if self.peek() == Some(b'*') {
            return Err("`(*` is a verb of Perl's own".into());
        }
        let all = self.alternatives(depth + 1)?;
        match self.eat(b')') {
            true => Ok(Node::Group(all)),
            false => Err("`(` without `)`".into()),
        }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (least, most) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => return self.counted(node),
            _ => return Ok(node),
        };
        self.at += 1;
        self.repeat(node, least, most)
    }

    fn repeat(&mut self, node: Node, least: u32, most: Option<u32>) -> Result<Node, String> {
        match self.peek() {
            // Takes less first, which does not change what is found.
            Some(b'?') => self.at += 1,
            Some(b'+') => return Err("a repetition with `+` after it gives nothing back".into()),
            Some(b'*') => return Err("a repetition can't be repeated".into()),
            Some(b'{') if self.count().is_some() => {
                return Err("a repetition can't be repeated".into());
            }
            _ => {}
        }
        if matches!(node, Node::Start | Node::End | Node::Edge(_)) {
            return Err("a place between characters is repeated".into());
        }
        if most.is_some_and(|most| most < least) {
            return Err("a repetition from more to less".into());
        }
        Ok(Node::Repeat(Box::new(node), least, most))
    }

    /// `{2}`, `{2,}`, `{2,3}`; a brace that is none of them is refused, for versions of Perl differ.
    fn counted(&mut self, node: Node) -> Result<Node, String> {
        let Some((least, most, length)) = self.count() else {
            return Err("`{` that does not count".into());
        };
        self.at += length;
        if least.max(most.unwrap_or(0)) > MAX_REPEAT {
            return Err(format!("it repeats more than {MAX_REPEAT} times"));
        }
        self.repeat(node, least, most)
    }

    fn count(&self) -> Option<(u32, Option<u32>, usize)> {
        let inner = self.rest().strip_prefix(b"{")?;
        let end = inner.iter().position(|byte| *byte == b'}')?;
        let text = std::str::from_utf8(inner.get(..end)?).ok()?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str| plain(text).then(|| text.parse::<u32>().ok()).flatten();
        let (least, most) = match text.split_once(',') {
            None => (number(text)?, Some(number(text)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        Some((least, most, end + 2))
    }

    fn escape(&mut self) -> Result<Node, String> {
        match self.next() {
            None => Err("`\\` at the end escapes nothing".into()),
            Some(b'b') => Ok(Node::Edge(true)),
            Some(b'B') => Ok(Node::Edge(false)),
            Some(b'A') => Ok(Node::Start),
            Some(b'z' | b'Z') => Ok(Node::End),
            Some(byte) => match shorthand(byte) {
                Some(set) => Ok(Node::Class(ranges(&set))),
                None if byte.is_ascii_digit() => {
                    Err(format!("`\\{}` refers back to what was found", char::from(byte)))
                }
                None if byte.is_ascii_alphabetic() => {
                    Err(format!("`\\{}` is Perl's own", char::from(byte)))
                }
                None => Ok(Node::Byte(byte)),
            },
        }
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.eat(b'^');
        let mut set = [false; 256];
        let mut first = true;
        loop {
            let Some(byte) = self.next() else { return Err("`[` without `]`".into()) };
            if byte == b']' && !first {
                break;
            }
            first = false;
            let Member::Byte(low) = self.member(byte, &mut set)? else {
                if self.peek() == Some(b'-') && self.text.get(self.at + 1) != Some(&b']') {
                    return Err("a range in `[…]` that begins with many".into());
                }
                continue;
            };
            let is_range = self.peek() == Some(b'-')
                && self.text.get(self.at + 1).is_some_and(|next| *next != b']');
            if !is_range {
                mark(&mut set, low, low);
                continue;
            }
            self.at += 1;
            let Some(byte) = self.next() else { return Err("`[` without `]`".into()) };
            let Member::Byte(high) = self.member(byte, &mut set)? else {
                return Err("a range in `[…]` that ends with many".into());
            };
            if low > high {
                return Err("a range in `[…]` from more to less".into());
            }
            mark(&mut set, low, high);
        }
        if negated {
            set.iter_mut().for_each(|one| *one = !*one);
        }
        Ok(Node::Class(ranges(&set)))
    }

    fn member(&mut self, byte: u8, set: &mut [bool; 256]) -> Result<Member, String> {
        match byte {
            USER => Err("the user's name in `[…]`".into()),
            b'[' if matches!(self.peek(), Some(b':' | b'.' | b'=')) => {
                Err("a named class in `[…]`".into())
            }
            b'\\' => match self.next() {
                None => Err("`[` without `]`".into()),
                Some(byte) => match shorthand(byte) {
                    Some(many) => {
                        set.iter_mut().zip(many).for_each(|(one, also)| *one |= also);
                        Ok(Member::Many)
                    }
                    None if byte.is_ascii_alphanumeric() => {
                        Err(format!("`\\{}` in `[…]` is Perl's own", char::from(byte)))
                    }
                    None => Ok(Member::Byte(byte)),
                },
            },
            byte => Ok(Member::Byte(byte)),
        }
    }
}

enum Member {
    Byte(u8),
    Many,
}

fn mark(set: &mut [bool; 256], low: u8, high: u8) {
    for byte in low..=high {
        if let Some(one) = set.get_mut(usize::from(byte)) {
            *one = true;
        }
    }
}

/// `\d`, `\w`, `\s` and their opposites, over bytes.
fn shorthand(byte: u8) -> Option<[bool; 256]> {
    let is: fn(u8) -> bool = match byte.to_ascii_lowercase() {
        b'd' => |byte| byte.is_ascii_digit(),
        b'w' => |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        b's' => |byte| matches!(byte, b' ' | 9..=13),
        _ => return None,
    };
    let mut set = [false; 256];
    for (one, number) in set.iter_mut().zip(0_u8..=u8::MAX) {
        *one = is(number) != byte.is_ascii_uppercase();
    }
    Some(set)
}

fn ranges(set: &[bool; 256]) -> Vec<(u8, u8)> {
    let mut all: Vec<(u8, u8)> = Vec::new();
    for (byte, _) in (0_u8..=u8::MAX).zip(set).filter(|(_, one)| **one) {
        match all.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(byte) => *high = byte,
            _ => all.push((byte, byte)),
        }
    }
    all
}
