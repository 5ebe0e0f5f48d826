// node's own parser, llhttp, for the target `differential`: started by ../src/references/llhttp.rs, which ends it by closing its input.
//
// In: the length of a connection's bytes, four bytes, little-endian, and the bytes. Out: the same with JSON in it.
'use strict';
const fs = require('fs');
// Deprecated for programs; but nobody else hands out the parser without a socket.
process.noDeprecation = true;
const { HTTPParser, methods } = process.binding('http_parser');

const HEAD_BYTES_MAX = 1 << 20;

function read(wire) {
  const messages = [];
  let refusal = null;
  // Behind a request that asks for another protocol the parser stops. A server that stays with HTTP reads on.
  for (let at = 0, goesOn = true; goesOn; ) {
    const parser = new HTTPParser();
    parser.initialize(HTTPParser.REQUEST, {}, HEAD_BYTES_MAX, 0);
    let upgrade = false;
    let last = null;
    // Of a head with many fields, node tells in parts.
    let front = '';
    parser[HTTPParser.kOnHeaders] = (fields, part) => { front += part ?? ''; };
    parser[HTTPParser.kOnHeadersComplete] = (major, minor, fields, method, target, status, words, asks) => {
      upgrade = asks;
      last = { method: methods[method], target: front + (target ?? ''), body: '', is_complete: false };
      messages.push(last);
      front = '';
      return 0;
    };
    parser[HTTPParser.kOnBody] = (bytes) => { last.body += bytes.toString('latin1'); };
    parser[HTTPParser.kOnMessageComplete] = () => { last.is_complete = true; };
    const used = parser.execute(wire.subarray(at));
    if (used instanceof Error) refusal = used.reason || used.code;
    goesOn = upgrade && used > 0 && at + used < wire.length && last.method !== 'CONNECT';
    at += used;
    parser.close?.();
  }
  return { messages, refusal };
}

function exactly(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = fs.readSync(0, bytes, at, length - at);
    if (count === 0) process.exit(0);
    at += count;
  }
  return bytes;
}

for (;;) {
  const wire = exactly(exactly(4).readUInt32LE(0));
  const json = Buffer.from(JSON.stringify(read(wire)));
  const answer = Buffer.alloc(4 + json.length);
  answer.writeUInt32LE(json.length, 0);
  json.copy(answer, 4);
  for (let at = 0; at < answer.length; ) at += fs.writeSync(1, answer, at);
}
