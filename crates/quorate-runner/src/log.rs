use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits;

/// A job's output, bounded: it keeps the beginning and the end, and says how much it left out between them.
#[derive(Debug)]
pub struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_bytes: usize,
    tail_bytes: usize,
    left_out: u64,
    /// How much of the head the cluster has.
    sent: usize,
}

impl Log {
    /// An empty log that never grows over `bytes`.
    ///
    /// # Panics
    /// When `bytes` leaves no room for anything but the line that says what was left out.
    pub fn new(bytes: usize) -> Log {
        assert!(bytes > limits::LOG_MARK_BYTES, "a log of {bytes} bytes has no room for output");
        let room = bytes - limits::LOG_MARK_BYTES;
        Log {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_bytes: room / 2,
            tail_bytes: room - room / 2,
            left_out: 0,
            sent: 0,
        }
    }

    /// Takes more output.
    pub fn push(&mut self, output: &[u8]) {
        let (head, rest) = output.split_at(output.len().min(self.head_bytes - self.head.len()));
        self.head.extend_from_slice(head);
        let (skipped, rest) = rest.split_at(rest.len().saturating_sub(self.tail_bytes));
        let overflow = (self.tail.len() + rest.len()).saturating_sub(self.tail_bytes);
        self.tail.drain(..overflow);
        self.tail.extend(rest);
        self.left_out += (skipped.len() + overflow) as u64;
    }

    /// What can be sent ahead of the end, and how much has been: of the head, with which the log begins whatever comes.
    pub(crate) fn unsent(&self) -> (usize, &[u8]) {
        let whole = self.head.len() - broken_end(&self.head);
        (self.sent, &self.head[self.sent..whole])
    }

    /// So many bytes more have been sent.
    pub(crate) fn mark_sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// The log as it is at its end; nothing, where the cluster has all of it.
    ///
    /// Characters of UTF-8 are left out as a whole.
    pub fn finish(mut self) -> Bytes {
        if self.left_out == 0 && self.sent == self.head.len() + self.tail.len() {
            return Bytes::new();
        }
        if self.left_out > 0 {
            let (end, start) = (broken_end(&self.head), broken_start(&self.tail));
            self.head.truncate(self.head.len() - end);
            self.tail.drain(..start);
            self.left_out += (end + start) as u64;
            let mark = format!("\n[{} bytes left out]\n", self.left_out);
            assert!(mark.len() <= limits::LOG_MARK_BYTES, "the mark {mark:?} is longer than its room");
            self.head.extend_from_slice(mark.as_bytes());
        }
        self.head.extend(self.tail);
        self.head.into()
    }
}

/// How many bytes at the end are the beginning of a character of which the rest is missing.
fn broken_end(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|&n| {
            let rest = std::str::from_utf8(&bytes[bytes.len() - n..]);
            rest.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// How many bytes at the start are the rest of a character of which the beginning is missing.
fn broken_start(bytes: &VecDeque<u8>) -> usize {
    let is_rest = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let n = bytes.iter().take(4).take_while(|byte| is_rest(byte)).count();
    if n < 4 { n } else { 0 } // no character has so many
}

impl Default for Log {
    /// A log as long as the API takes.
    fn default() -> Log {
        Log::new(limits::LOG_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 10;

    fn log_of(outputs: &[&str]) -> String {
        let mut log = Log::new(limits::LOG_MARK_BYTES + ROOM);
        for output in outputs {
            log.push(output.as_bytes());
        }
        String::from_utf8(log.finish().to_vec()).expect("it is text")
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        assert_eq!(log_of(&[]), "");
        assert_eq!(log_of(&["0123456789"]), "0123456789");
        assert_eq!(log_of(&["012", "3456", "789"]), "0123456789");
    }

    #[test]
    fn what_does_not_fit_keeps_its_beginning_and_its_end() {
        let expected = "01234\n[16 bytes left out]\nvwxyz";
        assert_eq!(log_of(&["01234abcdefghijklmnopvwxyz"]), expected);
        assert_eq!(log_of(&["01", "234abcdef", "g", "hijklmnopv", "wxyz"]), expected);
        let bytes: Vec<String> = "01234abcdefghijklmnopvwxyz".chars().map(String::from).collect();
        assert_eq!(log_of(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn characters_are_left_out_as_a_whole() {
        // Room for five bytes at each end, and characters of 1 to 4 bytes across both cuts.
        for (output, expected) in [
            ("abcdé.......éxyz!", "abcd\n[11 bytes left out]\nxyz!"),
            ("abcdef.......vwéyz", "abcde\n[9 bytes left out]\nwéyz"),
            ("abcé.......évwx", "abcé\n[7 bytes left out]\névwx"),
            ("ab🦀🦀........🦀🦀yz", "ab\n[24 bytes left out]\nyz"),
            ("a世界........世界z", "a世\n[14 bytes left out]\n界z"),
        ] {
            assert_eq!(log_of(&[output]), expected, "{output}");
        }
    }

    #[test]
    fn what_is_sent_ahead_is_how_the_log_begins() {
        let mut log = Log::new(limits::LOG_MARK_BYTES + ROOM);
        let mut sent = Vec::new();
        for byte in "ab🦀é é🦀.......🦀".bytes() {
            log.push(&[byte]);
            let (from, piece) = log.unsent();
            assert_eq!(from, sent.len());
            sent.extend_from_slice(piece);
            let bytes = piece.len();
            log.mark_sent(bytes);
        }
        assert_eq!(sent, b"ab", "the first half, in whole characters");
        let log = log.finish();
        assert!(log.starts_with(b"ab\n[19 bytes left out]\n"), "{log:?}");
    }

    #[test]
    fn nothing_is_left_of_what_was_all_sent() {
        let mut log = Log::new(limits::LOG_MARK_BYTES + ROOM);
        log.push(b"all");
        log.mark_sent(3);
        assert_eq!(log.unsent(), (3, &b""[..]));
        log.push(b".");
        assert_eq!(log.unsent(), (3, &b"."[..]));
        log.mark_sent(1);
        assert_eq!(log.finish(), "");
    }

    #[test]
    fn what_is_no_text_is_cut_at_the_limit() {
        for byte in [0x80, 0xC3, 0xFF] {
            let mut log = Log::new(limits::LOG_MARK_BYTES + ROOM);
            log.push(&[byte; 30]);
            let log = log.finish();
            let kept = log.iter().filter(|kept| **kept == byte).count();
            assert!(kept >= ROOM - 1, "{kept} bytes of {byte:x}");
        }
    }

    #[test]
    fn is_never_longer_than_its_limit() {
        let mut log = Log::default();
        for _ in 0..3_000 {
            log.push(&[b'x'; 1_000]);
        }
        let log = log.finish();
        assert!(log.len() <= limits::LOG_BYTES, "{} bytes", log.len());
        assert!(log.len() >= limits::LOG_BYTES - limits::LOG_MARK_BYTES, "{} bytes", log.len());
    }
}
