//! llhttp, the parser of node: nothing in common with httparse, heads and bodies of its own. node itself runs it, in a process beside.
//!
//! ```text
//!   bytes ─► a pipe ─► references/llhttp.js ─► a pipe ─► Reading
//! ```
//!
//! What always holds: the process ends when this one does, for its input ends then.
//!
//! Next: `../differential.rs`.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Message, Reading};

thread_local! {
    static NODE: RefCell<Node> = RefCell::new(Node::start());
}

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What llhttp understands of these bytes.
pub fn read(wire: &[u8]) -> Reading {
    NODE.with_borrow_mut(|node| node.read(wire))
}

impl Node {
    fn start() -> Node {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/references/llhttp.js");
        let started = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Node(
            started.unwrap_or_else(|error| {
                panic!("node, whose parser is the reference, does not start: {error}")
            }),
        )
    }

    fn read(&mut self, wire: &[u8]) -> Reading {
        let input = self.0.stdin.as_mut().expect("piped");
        let question = [&(wire.len() as u32).to_le_bytes(), wire].concat();
        input.write_all(&question).expect("node reads");
        let output = self.0.stdout.as_mut().expect("piped");
        let mut length = [0; 4];
        output.read_exact(&mut length).expect("node answers");
        let mut json = vec![0; u32::from_le_bytes(length) as usize];
        output.read_exact(&mut json).expect("node answers");
        let value: Value = serde_json::from_slice(&json).expect("JSON");
        let messages = value["messages"].as_array().expect("a list").iter().map(message).collect();
        Reading { messages, refusal: value["refusal"].as_str().map(str::to_owned) }
    }
}

fn message(value: &Value) -> Message {
    let text = |key: &str| value[key].as_str().expect("text").to_owned();
    // One character a byte.
    let body = text("body").chars().map(|char| char as u8).collect();
    let is_complete = value["is_complete"].as_bool().expect("yes or no");
    Message { method: text("method"), target: text("target"), body, is_complete }
}
