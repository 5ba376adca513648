//! Just enough of Rust's grammar: what is code, where a bracket closes, where a function ends.

/// The text with comments and the contents of strings and characters blanked, byte for byte.
pub fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (inner, next) = opaque(text, at);
        for byte in &mut out[inner.0..inner.1] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    String::from_utf8(out).expect("only whole characters are blanked")
}

/// What to blank at a place, and where to go on.
fn opaque(text: &str, at: usize) -> ((usize, usize), usize) {
    let rest = &text.as_bytes()[at..];
    let end = match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => return inside(at, 1, at + string(rest), 1),
        [b'r', ..] | [b'b', b'r', ..] if !is_word_before(text, at) => match raw_string(rest) {
            Some((open, end, close)) => return inside(at, open, at + end, close),
            None => return ((at, at), at + 1),
        },
        [b'\'', ..] => match character(&text[at..]) {
            Some(length) => return inside(at, 1, at + length, 1),
            None => return ((at, at), at + 1),
        },
        _ => return ((at, at), at + 1),
    };
    ((at, end), end)
}

fn inside(at: usize, open: usize, end: usize, close: usize) -> ((usize, usize), usize) {
    ((at + open, (end - close).max(at + open)), end)
}

fn is_word_before(text: &str, at: usize) -> bool {
    at > 0 && matches!(text.as_bytes()[at - 1], b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Bytes that open it, its whole length, bytes that close it.
fn raw_string(rest: &[u8]) -> Option<(usize, usize, usize)> {
    let marks = rest.iter().position(|b| *b == b'r')? + 1;
    let hashes = rest[marks..].iter().take_while(|b| **b == b'#').count();
    let open = marks + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = rest[open..].windows(close.len()).position(|w| w == close)?;
    Some((open, open + body + close.len(), close.len()))
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return rest[3..].find('\'').map(|end| end + 4);
    }
    let (end, second) = chars.next()?;
    (second == '\'').then_some(end + 1)
}

/// The offset after the bracket that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The pieces between top-level commas, with their offsets.
pub fn parts(code: &str, from: usize, to: usize) -> Vec<(usize, usize)> {
    let (mut found, mut start, mut at) = (Vec::new(), from, from);
    while at < to {
        match code.as_bytes()[at] {
            b'(' | b'[' | b'{' => at = closing(code, at),
            b',' => {
                found.push((start, at));
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    found.push((start, to));
    found
}

/// A function: its name, where `fn` stands, where its body lies.
pub struct Function {
    pub name: String,
    pub start: usize,
    pub body: std::ops::Range<usize>,
}

/// Every function that has a body.
pub fn functions(code: &str) -> Vec<Function> {
    let head = regex::Regex::new(r"\bfn\s+(r#)?(\w+)").expect("a valid pattern");
    let function = |found: regex::Captures<'_>| {
        let whole = found.get(0)?;
        let open = body_start(code, whole.end())?;
        Some(Function { name: found[2].to_owned(), start: whole.start(), body: open..closing(code, open) })
    };
    head.captures_iter(code).filter_map(function).collect()
}

fn body_start(code: &str, mut at: usize) -> Option<usize> {
    loop {
        match code.as_bytes().get(at)? {
            b'{' => return Some(at),
            b';' => return None,
            b'(' | b'[' => at = closing(code, at),
            _ => at += 1,
        }
    }
}

/// The code with inline `#[cfg(test)] mod … { … }` blanked.
pub fn without_test_modules(code: &str) -> String {
    let head = regex::Regex::new(r"#\[cfg\(test\)\]\s*(pub(\([a-z]+\))?\s+)?mod\s+\w+\s*\{")
        .expect("a valid pattern");
    let mut out = code.as_bytes().to_vec();
    for found in head.find_iter(code) {
        let end = closing(code, found.end() - 1);
        for byte in out[found.start()..end].iter_mut().filter(|b| **b != b'\n') {
            *byte = b' ';
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn comments_strings_and_characters_are_blanked() {
    let check = |text: &str, expected: &str| assert_eq!(blanked(text), expected, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b /* c */ d */ e", "a                   e");
    check(r#"f("x\"y", 'z', b'\'', '中')"#, "f(\"    \", ' ', b'  ', '   ')");
    check("r#\"a\"b\"# br\"c\" r\"\"", "r#\"   \"# br\" \" r\"\"");
    check("fn r#return<'a>(x: &'a str)", "fn r#return<'a>(x: &'a str)");
}

#[test]
fn functions_and_test_modules_are_found() {
    let code = "fn a(x: [u8; 2]) -> u8 { if x { 1 } }\ntrait T { fn b(&self); }\n#[cfg(test)]\nmod tests { fn c() {} }";
    let names: Vec<_> = functions(code).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["a", "c"]);
    let shipped = without_test_modules(code);
    assert_eq!(functions(&shipped).len(), 1);
    assert_eq!(shipped.len(), code.len());
}
