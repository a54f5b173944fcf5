//! The bytes of an answer between rendering and sending: what policies that run outside of the
//! rendering may still see of them and add to them.

use std::borrow::Cow;

use crate::http::h1::encode;
use crate::net::{Block, WriteList};

/// What is sent.
pub enum Message {
    /// One block.
    Block(Block),
    /// Blocks and ranges of blocks.
    List(WriteList),
}

impl Message {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        match self {
            Message::Block(block) => block.len(),
            Message::List(list) => list.len(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands behind the head. A long answer is copied for it.
    pub fn content(&self) -> Cow<'_, [u8]> {
        match self {
            Message::Block(block) => Cow::Borrowed(&block[head_len(block)..]),
            Message::List(list) => {
                let mut all = list.slices().collect::<Vec<_>>().concat();
                all.drain(..head_len(&all));
                Cow::Owned(all)
            }
        }
    }

    /// Puts fields at the end of the head, for policies that run after the rendering. Copies the
    /// answer once.
    #[cold]
    pub fn add_fields(&mut self, fields: &[(String, Vec<u8>)]) {
        let mut whole = Block::with_capacity(self.len() + 256);
        match self {
            Message::Block(block) => whole.extend_from_slice(block),
            Message::List(list) => list.slices().for_each(|piece| whole.extend_from_slice(piece)),
        }
        let at = head_len(&whole).saturating_sub(2);
        let mut lines = Vec::new();
        for (name, value) in fields {
            // A name or a value that cannot stand in a head is left out, as everywhere.
            let _ = encode::checked_field(&mut lines, name.as_bytes(), value);
        }
        whole.splice(at..at, lines);
        whole.settle();
        *self = Message::Block(whole);
    }
}

/// Length of the head with its blank line.
fn head_len(message: &[u8]) -> usize {
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Message {
        Message::Block(Block::copy_of(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"x\":1}"))
    }

    fn list() -> Message {
        let mut list = WriteList::new();
        list.push_block(Block::copy_of(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"));
        list.push_block(Block::copy_of(b"{\"x\""));
        list.push_block(Block::copy_of(b":1}"));
        Message::List(list)
    }

    #[test]
    fn what_a_late_policy_sees_and_adds() {
        for (case, mut message) in [("block", block()), ("list", list())] {
            assert_eq!(&*message.content(), b"{\"x\":1}", "{case}");
            message.add_fields(&[("X-Late".into(), b"yes".to_vec()), ("bad\r".into(), vec![])]);
            let Message::Block(all) = &message else { panic!("{case}: not one block") };
            let expected = b"HTTP/1.1 200 OK\r\nA: b\r\nX-Late: yes\r\n\r\n{\"x\":1}";
            assert_eq!(all.as_slice(), expected, "{case}");
            assert_eq!(&*message.content(), b"{\"x\":1}", "{case}");
        }
    }
}
