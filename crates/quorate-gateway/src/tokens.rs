//! Who has a token: the file that says it, of which only hashes are known.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::{Owner, Roles};
use crate::limits::{CALLER_RATE, TOKEN_NAME_BYTES, TOKENS};

/// What stands before a hash.
const SHA256: &str = "sha256:";
/// What stands before a rate.
const RATE: &str = "rate=";

const NO_ENTRY: &str = "it is not `NAME ROLE,… sha256:HASH`, maybe with `rate=JOBS_PER_SECOND` behind it";

/// Those who have a token, found by it.
#[derive(Default)]
pub struct Tokens {
    /// By the first half of the hash. It says nothing of a token: those are random, and only their owners have them.
    owners: HashMap<[u8; 16], (Hash, Owner)>,
}

/// The SHA-256 of a token. Tokens are random, so that nothing slower is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

/// A line of the file: `NAME ROLE,… sha256:HEX`, maybe with `rate=N` behind it.
#[derive(Clone)]
pub struct Entry {
    /// Whose token it is.
    pub name: String,
    /// What it allows.
    pub roles: Roles,
    /// What is kept of it.
    pub hash: Hash,
    /// Jobs a second that its owner may enqueue through a node, if it is not as many as all others.
    pub rate: Option<u32>,
}

impl Tokens {
    /// What such a file says. Empty lines and what stands behind `#` mean nothing.
    ///
    /// # Errors
    /// Which line is none, and why.
    pub fn parse(text: &str) -> Result<Tokens, String> {
        Ok(Tokens::of(entries(text)?))
    }

    fn of(entries: Vec<Entry>) -> Tokens {
        let owner =
            |Entry { name, roles, hash, rate }: Entry| (hash.place(), (hash, Owner::new(&name, roles, rate)));
        Tokens { owners: entries.into_iter().map(owner).collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Those who have them, and what is kept of their tokens.
    pub fn owners(&self) -> impl Iterator<Item = (&str, Roles, Option<u32>, Hash)> {
        self.owners.values().map(|(hash, owner)| (&*owner.name, owner.roles, owner.rate, *hash))
    }

    /// True where nobody has one.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whose token this is.
    pub(crate) fn owner(&self, token: &[u8]) -> Option<&Owner> {
        let given = Hash::of(token);
        let (hash, owner) = self.owners.get(&given.place())?;
        bool::from(hash.0.ct_eq(&given.0)).then_some(owner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.owners.values().map(|(_, owner)| &owner.name)).finish()
    }
}

/// The lines of such a file.
///
/// # Errors
/// Which is none, and why.
pub fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let number = number + 1;
        let entry = entry(line).map_err(|why| format!("line {number}: {why}"))?;
        if !names.insert(entry.name.clone()) {
            return Err(format!("line {number}: the name `{}` stands there twice", entry.name));
        }
        if !places.insert(entry.hash.place()) {
            return Err(format!("line {number}: `{}` has the token of another name", entry.name));
        }
        if entries.len() == TOKENS {
            return Err(format!("line {number}: there may be {TOKENS} tokens"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(line: &str) -> Result<Entry, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&[name, roles, hash], rest) = words.split_first_chunk().ok_or(NO_ENTRY)?;
    let rate = match rest {
        [] => None,
        [rate] => Some(rate.strip_prefix(RATE).map(check_rate).ok_or(NO_ENTRY)??),
        _ => return Err(NO_ENTRY.to_owned()),
    };
    Ok(Entry { name: check_name(name)?, roles: roles.parse()?, hash: Hash::parse(hash)?, rate })
}

/// Jobs a second that may be a caller's rate.
///
/// # Errors
/// What they should be.
pub fn check_rate(text: &str) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let rate = text.parse().ok().filter(|rate| digits && CALLER_RATE.contains(rate));
    let (least, most) = (*CALLER_RATE.start(), *CALLER_RATE.end());
    rate.ok_or_else(|| format!("a rate is a whole number of jobs a second, {least} to {most}, not `{text}`"))
}

/// A name that may be a token's.
///
/// # Errors
/// What it should be.
pub fn check_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > TOKEN_NAME_BYTES || !name.chars().all(fits) {
        return Err(format!("`{name}` is not 1 to {TOKEN_NAME_BYTES} letters, digits, `-`, `_`, `.`"));
    }
    Ok(name.to_owned())
}

impl Hash {
    /// That of a token.
    pub fn of(token: &[u8]) -> Hash {
        Hash(Sha256::digest(token).into())
    }

    fn place(self) -> [u8; 16] {
        self.0[..16].try_into().expect("16 of 32 bytes")
    }

    fn parse(text: &str) -> Result<Hash, String> {
        let no_hash = || format!("`{SHA256}` and 64 hex digits are missing: the file has hashes, no tokens");
        let hex = text.strip_prefix(SHA256).ok_or_else(no_hash)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(no_hash());
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| no_hash())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| no_hash())?;
        }
        Ok(Hash(hash))
    }
}

impl Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHA256)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.roles, self.hash)?;
        self.rate.map_or(Ok(()), |rate| write!(f, " {RATE}{rate}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_itself_alone() {
        let entry = |name: &str, roles: &str, token: &str| Entry {
            name: name.into(),
            roles: roles.parse().unwrap(),
            hash: Hash::of(token.as_bytes()),
            rate: (name == "b").then_some(250),
        };
        let file = format!(
            "# fleets\n\n{}\n{} # until May\n",
            entry("a", "run", "one"),
            entry("b", "submit,read", "two")
        );
        assert!(file.contains(" rate=250 #"), "{file}");
        let tokens = Tokens::parse(&file).unwrap();
        let owner = |token: &str| {
            let owner = tokens.owner(token.as_bytes())?;
            Some((&*owner.name, owner.roles.to_string(), owner.rate))
        };
        assert_eq!(owner("one"), Some(("a", "run".to_owned(), None)));
        assert_eq!(owner("two"), Some(("b", "submit,read".to_owned(), Some(250))));
        for stranger in ["", "One", "three", &Hash::of(b"one").to_string()] {
            assert_eq!(owner(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn half_a_hash_is_none() {
        let mut hash = Hash::of(b"one");
        hash.0[31] ^= 1;
        let tokens = Tokens::parse(&format!("a run {hash}")).unwrap();
        assert!(tokens.owner(b"one").is_none(), "it has the place of another token");
    }

    #[test]
    fn a_line_that_is_none_is_named_and_a_token_is_not_repeated() {
        let hash = Hash::of(b"x");
        for (file, says) in [
            ("a run".to_owned(), "line 1: it is not"),
            (format!("\na run {hash}\na read {}", Hash::of(b"y")), "line 3: the name `a` stands there twice"),
            (format!("a run {hash}\nb read {hash}"), "line 2: `b` has the token of another name"),
            (format!("a root {hash}"), "line 1: `root` is no role"),
            (format!("a/b run {hash}"), "line 1: `a/b` is not 1 to 64"),
            ("a run qt_secret".to_owned(), "line 1: `sha256:` and 64 hex digits are missing"),
            (format!("a run {hash} 5"), "line 1: it is not"),
            (format!("a run {hash} rate=5 rate=5"), "line 1: it is not"),
            (format!("a run {hash} rate=0"), "line 1: a rate is a whole number"),
            (format!("a run {hash} rate=+5"), "line 1: a rate is a whole number"),
            ("a run sha256:+f".to_owned() + &"0".repeat(62), "line 1: `sha256:` and 64"),
        ] {
            let said = Tokens::parse(&file).unwrap_err();
            assert!(said.starts_with(says) && !said.contains("secret"), "{said}");
        }
    }
}
