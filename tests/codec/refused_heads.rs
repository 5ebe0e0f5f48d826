//! The golden list of heads that are refused. `{a}` of each table stands in an otherwise good request.
//!
//! Columns: the bytes, the status, words of the reason, the section of RFC 9112 unless another is named.

use crate::wire::read_refused;

type Row = (&'static [u8], u16, &'static str, &'static str);

/// Whole first lines, followed by `Host: a`.
const FIRST_LINES: &[Row] = &[
    // Versions.
    (b"GET / HTTP/2.0", 505, "version other", "RFC 9110 2.5"),
    (b"GET / HTTP/3.0", 505, "version other", "RFC 9110 2.5"),
    (b"GET / HTTP/0.9", 505, "version other", "RFC 9110 2.5"),
    (b"GET / HTTP/2.1", 505, "version other", "RFC 9110 2.5"),
    (b"GET / HTTP/9.9", 505, "version other", "RFC 9110 2.5"),
    (b"PRI * HTTP/2.0", 505, "version other", "RFC 9113 3.4"),
    (b"GET / HTTP/1.10", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1.01", 400, "malformed version", "2.3"),
    (b"GET / HTTP/11.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1.", 400, "malformed version", "2.3"),
    (b"GET / HTTP/.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/11", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1,1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1.x", 400, "malformed version", "2.3"),
    (b"GET / HTTP/-1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/+1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/0x1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP 1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP1.1", 400, "malformed version", "2.3"),
    (b"GET / http/1.1", 400, "malformed version", "2.3"),
    (b"GET / Http/1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTPS/1.1", 400, "malformed version", "2.3"),
    (b"GET / ICY/1.1", 400, "malformed version", "2.3"),
    (b"GET / HTTP/1.1 ", 400, "malformed version", "3"),
    (b"GET / HTTP/1.1 HTTP/1.1", 400, "malformed version", "3"),
    (b"GET / x HTTP/1.1", 400, "malformed version", "3.2"),
    (b"GET / ", 400, "malformed version", "3"),
    (b"GET /", 400, "not a method, a target and a version", "3"),
    (b"GET", 400, "not a method, a target and a version", "3"),
    (b"/", 400, "not a method, a target and a version", "3"),
    // Blanks.
    (b"GET  / HTTP/1.1", 400, "malformed version", "3"),
    (b"GET /  HTTP/1.1", 400, "malformed version", "3"),
    (b" GET / HTTP/1.1", 400, "blank before the request line", "3"),
    (b"\tGET / HTTP/1.1", 400, "control byte", "3"),
    (b"GET\t/\tHTTP/1.1", 400, "control byte", "3"),
    (b"GET /\tHTTP/1.1", 400, "control byte", "3"),
    (b"GET \x0b/ HTTP/1.1", 400, "control byte", "3"),
    (b"GET / HTTP/1.1\t", 400, "control byte", "3"),
    // Methods.
    (b"get / HTTP/1.1", 501, "not known", "RFC 9110 9.1"),
    (b"Get / HTTP/1.1", 501, "not known", "RFC 9110 9.1"),
    (b"GETX / HTTP/1.1", 501, "not known", "RFC 9110 9.1"),
    (b"BREW /pot HTTP/1.1", 501, "not known", "RFC 9110 9.1"),
    (b"PROPFIND / HTTP/1.1", 501, "not known", "RFC 9110 9.1"),
    (b"!#$%&'*+-.^_`|~09 / HTTP/1.1", 501, "not known", "RFC 9110 5.6.2"),
    (b"CONNECT a:443 HTTP/1.1", 501, "CONNECT", "RFC 9110 9.3.6"),
    (b"CONNECT / HTTP/1.1", 501, "CONNECT", "RFC 9110 9.3.6"),
    (b"G@T / HTTP/1.1", 400, "malformed method", "RFC 9110 5.6.2"),
    (b"GET: / HTTP/1.1", 400, "malformed method", "RFC 9110 5.6.2"),
    (b"(GET) / HTTP/1.1", 400, "malformed method", "RFC 9110 5.6.2"),
    (b"\"GET\" / HTTP/1.1", 400, "malformed method", "RFC 9110 5.6.2"),
    (b"G\xc3\x89T / HTTP/1.1", 400, "outside ASCII", "RFC 9110 5.6.2"),
    // Targets.
    (b"GET a HTTP/1.1", 400, "neither a path", "3.2"),
    (b"GET a/b HTTP/1.1", 400, "neither a path", "3.2"),
    (b"GET ?a HTTP/1.1", 400, "neither a path", "3.2"),
    (b"GET \\a HTTP/1.1", 400, "neither a path", "3.2"),
    (b"GET a:80 HTTP/1.1", 400, "neither a path", "3.2.3"),
    (b"GET * HTTP/1.1", 400, "OPTIONS alone", "3.2.4"),
    (b"POST * HTTP/1.1", 400, "OPTIONS alone", "3.2.4"),
    (b"OPTIONS ** HTTP/1.1", 400, "neither a path", "3.2.4"),
    (b"OPTIONS *?a HTTP/1.1", 400, "neither a path", "3.2.4"),
    (b"GET /a#b HTTP/1.1", 400, "fragment", "3.2"),
    (b"GET /# HTTP/1.1", 400, "fragment", "3.2"),
    (b"GET http://a/#b HTTP/1.1", 400, "fragment", "3.2.2"),
    (b"GET /a\"b HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /<a HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /a\\b HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /a`b HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /{a HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /?a=\"b HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.4"),
    (b"GET /?a> HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.4"),
    (b"GET http://b/a\\b HTTP/1.1", 400, "percent-encoded", "RFC 3986 3.3"),
    (b"GET /% HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /%4 HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /%4g HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /%%41 HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /%u0041 HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /?%zz HTTP/1.1", 400, "percent sign", "RFC 3986 2.1"),
    (b"GET /caf\xc3\xa9 HTTP/1.1", 400, "outside ASCII", "3.2"),
    (b"GET /\xff HTTP/1.1", 400, "outside ASCII", "3.2"),
    (b"GET /a\x7f HTTP/1.1", 400, "control byte", "3.2"),
    (b"GET /a\x00b HTTP/1.1", 400, "NUL", "3.2"),
    (b"GET /a\x1bb HTTP/1.1", 400, "control byte", "3.2"),
    (b"GET ftp://a/ HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET ws://a/ HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET file:///etc/passwd HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET ://a/ HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET http:/a HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET http:a HTTP/1.1", 400, "neither a path", "3.2.2"),
    (b"GET http:// HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.1"),
    (b"GET http:///a HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.1"),
    (b"GET http://?a HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.1"),
    (b"GET http://:80/ HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.1"),
    (b"GET http://u@a/ HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.4"),
    (b"GET http://u:p@a/ HTTP/1.1", 400, "target with a malformed host", "RFC 9110 4.2.4"),
    (b"GET http://a:x/ HTTP/1.1", 400, "target with a malformed host", "RFC 3986 3.2.3"),
    (b"GET http://a:65536/ HTTP/1.1", 400, "target with a malformed host", "RFC 3986 3.2.3"),
    (b"GET http://[::1/ HTTP/1.1", 400, "target with a malformed host", "RFC 3986 3.2.2"),
    (b"GET http://a\\@b/ HTTP/1.1", 400, "target with a malformed host", "RFC 3986 3.2.2"),
    // Line ends.
    (b"GET / HTTP/1.1\n", 400, "line feed without", "2.2"),
    (b"GET / HTTP/1.1\r", 400, "carriage return without", "2.2"),
    (b"GET / HTTP/1.1\rHost: b", 400, "carriage return without", "2.2"),
    (b"GET / HTTP/1.1\nX: b", 400, "line feed without", "2.2"),
    (b"GET /\r HTTP/1.1", 400, "carriage return without", "2.2"),
    (b"GET /\n HTTP/1.1", 400, "line feed without", "2.2"),
    // Before the first line: blank lines are passed over, nothing else is.
    (b"\nGET / HTTP/1.1", 400, "line feed without", "2.2"),
    (b"\rGET / HTTP/1.1", 400, "carriage return without", "2.2"),
    (b"\r\r\nGET / HTTP/1.1", 400, "carriage return without", "2.2"),
    (b"\r\n GET / HTTP/1.1", 400, "blank before the request line", "2.2"),
    (b"\x00GET / HTTP/1.1", 400, "NUL", "2.2"),
    (b"\xef\xbb\xbfGET / HTTP/1.1", 400, "outside ASCII", "2.2"),
    // Other protocols.
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "control byte", "RFC 8446 5.1"),
    (b"SSH-2.0-OpenSSH_9.6", 400, "not a method, a target and a version", "3"),
    (b"HTTP/1.1 200 OK", 400, "malformed version", "3"),
];

/// Lines of fields behind `POST / HTTP/1.1` and `Host: a`.
const FIELDS: &[Row] = &[
    // Names.
    (b": a", 400, "without a name", "5.1"),
    (b"X : a", 400, "before the colon", "5.1"),
    (b"X\t: a", 400, "before the colon", "5.1"),
    (b"Content-Length : 5", 400, "before the colon", "5.1"),
    (b"Transfer-Encoding : chunked", 400, "before the colon", "5.1"),
    (b"X Y: a", 400, "before the colon", "5.1"),
    (b"X", 400, "without a colon", "5"),
    (b"X;a", 400, "cannot be in a field name", "5.1"),
    (b"X(a): a", 400, "cannot be in a field name", "5.1"),
    (b"\"X\": a", 400, "cannot be in a field name", "5.1"),
    (b"X@Y: a", 400, "cannot be in a field name", "5.1"),
    (b"X/Y: a", 400, "cannot be in a field name", "5.1"),
    (b"[X]: a", 400, "cannot be in a field name", "5.1"),
    (b"{X}: a", 400, "cannot be in a field name", "5.1"),
    (b"X=Y: a", 400, "cannot be in a field name", "5.1"),
    (b"X\x00: a", 400, "NUL", "5.1"),
    (b"X\x01Y: a", 400, "cannot be in a field name", "5.1"),
    (b"X\x7fY: a", 400, "cannot be in a field name", "5.1"),
    (b"\xc3\x9c: a", 400, "cannot be in a field name", "5.1"),
    (b"Content-Length\xa0: 5", 400, "cannot be in a field name", "5.1"),
    (b"\x0bTransfer-Encoding: chunked", 400, "cannot be in a field name", "5.1"),
    (b"\x00", 400, "NUL", "5"),
    // Folds.
    (b" X: a", 400, "folded", "5.2"),
    (b"\tX: a", 400, "folded", "5.2"),
    (b"X: a\r\n b", 400, "folded", "5.2"),
    (b"X: a\r\n\tb", 400, "folded", "5.2"),
    (b"X:\r\n a", 400, "folded", "5.2"),
    (b"Transfer-Encoding:\r\n chunked", 400, "folded", "5.2"),
    (b"Content-Length: 5\r\n 0", 400, "folded", "5.2"),
    (b"X: a\r\n ", 400, "folded", "5.2"),
    // Values.
    (b"X: a\x00b", 400, "NUL", "RFC 9110 5.5"),
    (b"X: \x00", 400, "NUL", "RFC 9110 5.5"),
    (b"X: a\x01b", 400, "control byte", "RFC 9110 5.5"),
    (b"X: a\x08", 400, "control byte", "RFC 9110 5.5"),
    (b"X: a\x0bb", 400, "control byte", "RFC 9110 5.5"),
    (b"X: a\x0cb", 400, "control byte", "RFC 9110 5.5"),
    (b"X: a\x1bb", 400, "control byte", "RFC 9110 5.5"),
    (b"X: a\x7fb", 400, "control byte", "RFC 9110 5.5"),
    // Line ends, and what hides behind them.
    (b"X: a\nY: b", 400, "line feed without", "2.2"),
    (b"X: a\n", 400, "line feed without", "2.2"),
    (b"X: a\rY: b", 400, "carriage return without", "2.2"),
    (b"X: a\r", 400, "carriage return without", "2.2"),
    (b"X: a\r\r\nY: b", 400, "carriage return without", "2.2"),
    (b"X:\n", 400, "line feed without", "2.2"),
    (b"X\n: a", 400, "line feed without", "2.2"),
    (b"X: a\nTransfer-Encoding: chunked", 400, "line feed without", "2.2"),
    (b"X: a\n\nGET /hidden HTTP/1.1\r\nHost: b", 400, "line feed without", "2.2"),
    (b"X: a\r\n\nGET /hidden HTTP/1.1", 400, "line feed without", "2.2"),
    (b"X: a\r\n\rGET /hidden HTTP/1.1", 400, "carriage return without", "2.2"),
    (b"X: a\r\n\rX: b", 400, "carriage return without", "2.2"),
    (b"\nX: a", 400, "line feed without", "2.2"),
    // Host, which is there once already.
    (b"Host: a", 400, "more than one Host", "3.2"),
    (b"Host: b", 400, "more than one Host", "3.2"),
    (b"hOST: b", 400, "more than one Host", "3.2"),
    (b"Host:", 400, "more than one Host", "3.2"),
    // Content-Length.
    (b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "more than one Content-Length", "6.3 (5)"),
    (b"Content-Length: 5\r\nContent-Length: 6", 400, "more than one Content-Length", "6.3 (5)"),
    (b"Content-Length: 0\r\ncontent-length: 5", 400, "more than one Content-Length", "6.3 (5)"),
    (b"Content-Length: 5\r\nContent-Length:", 400, "more than one Content-Length", "6.3 (5)"),
    (b"Content-Length: 5, 5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5,5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5, 6", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5,", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: ,5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length:", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: ", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: +5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: -5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: -0", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5 5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5\t5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 0x5", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: a", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5a", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5.0", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5e1", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 1_000", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: \"5\"", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 5;a", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: \xb2", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: \xef\xbc\x95", 400, "not a number", "6.3 (5)"),
    (b"Content-Length: 18446744073709551616", 400, "beyond all numbers", "6.3 (5)"),
    (b"Content-Length: 99999999999999999999", 400, "beyond all numbers", "6.3 (5)"),
    (b"Content-Length: 18446744073709551621", 400, "beyond all numbers", "6.3 (5)"),
    (b"Content-Length: 36893488147419103237", 400, "beyond all numbers", "6.3 (5)"),
    // Both.
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 0", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: identity\r\nContent-Length: 5", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 5", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding:\r\nContent-Length: 5", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: x", 400, "beside", "6.3 (3)"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5", 400, "beside", "6.3 (3)"),
    // Transfer-Encoding.
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, "more than one Transfer", "6.1"),
    (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 400, "more than one Transfer", "6.1"),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400, "more than one Transfer", "6.1"),
    (b"Transfer-Encoding: chunked\r\ntransfer-encoding:", 400, "more than one Transfer", "6.1"),
    (b"Transfer-Encoding: chunked, chunked", 400, "malformed Transfer", "7.1"),
    (b"Transfer-Encoding: chunked,chunked", 400, "malformed Transfer", "7.1"),
    (b"Transfer-Encoding: Chunked, gzip, chunked", 400, "malformed Transfer", "7.1"),
    (b"Transfer-Encoding: , chunked", 400, "malformed Transfer", "RFC 9110 5.6.1"),
    (b"Transfer-Encoding: gz ip, chunked", 400, "malformed Transfer", "7"),
    (b"Transfer-Encoding: gzip;q=\"a,b\", chunked", 400, "malformed Transfer", "7"),
    (b"Transfer-Encoding: chunked,", 400, "does not end in chunked", "RFC 9110 5.6.1"),
    (b"Transfer-Encoding: chunked;x", 400, "does not end in chunked", "7.1"),
    (b"Transfer-Encoding: chunked;q=1", 400, "does not end in chunked", "7.1"),
    (b"Transfer-Encoding: chunked ;", 400, "does not end in chunked", "7.1"),
    (b"Transfer-Encoding: chunked gzip", 400, "does not end in chunked", "7"),
    (b"Transfer-Encoding: chunked, gzip", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: chunked, identity", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: gzip", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: identity", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: xchunked", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: chunkedx", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: chunke", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: \"chunked\"", 400, "does not end in chunked", "7"),
    (b"Transfer-Encoding: 'chunked'", 400, "does not end in chunked", "7"),
    (b"Transfer-Encoding:", 400, "does not end in chunked", "6.3 (4)"),
    (b"Transfer-Encoding: \xffchunked", 400, "does not end in chunked", "7"),
    (b"Transfer-Encoding: chunked\xa0", 400, "does not end in chunked", "7"),
    (b"Transfer-Encoding: \x0bchunked", 400, "control byte", "RFC 9110 5.5"),
    (b"Transfer-Encoding: chunked\x0c", 400, "control byte", "RFC 9110 5.5"),
    (b"Transfer-Encoding: chunked\x00", 400, "NUL", "RFC 9110 5.5"),
    (b"Transfer-Encoding: gzip, chunked", 501, "other than chunked", "6.1"),
    (b"Transfer-Encoding: identity, chunked", 501, "other than chunked", "6.1"),
    (b"Transfer-Encoding: x-unknown,\tCHUNKED", 501, "other than chunked", "6.1"),
    (b"Transfer-Encoding: gzip, deflate, chunked", 501, "other than chunked", "6.1"),
    // Connection.
    (b"Connection: a b", 400, "list of tokens", "RFC 9110 7.6.1"),
    (b"Connection: close;x", 400, "list of tokens", "RFC 9110 7.6.1"),
    (b"Connection: \"close\"", 400, "list of tokens", "RFC 9110 7.6.1"),
    (b"Connection: keep-alive, (close)", 400, "list of tokens", "RFC 9110 7.6.1"),
    (b"Connection: clos\xe9", 400, "list of tokens", "RFC 9110 7.6.1"),
    // Expect.
    (b"Expect: 200-ok", 417, "expectation", "RFC 9110 10.1.1"),
    (b"Expect: 100-continue, 200-ok", 417, "expectation", "RFC 9110 10.1.1"),
    (b"Expect: 100-continue\r\nExpect: more", 417, "expectation", "RFC 9110 10.1.1"),
    (b"Expect: 100-continue;x", 417, "expectation", "RFC 9110 10.1.1"),
    (b"Expect: 100 continue", 417, "expectation", "RFC 9110 10.1.1"),
];

/// Values of `Host`.
const HOSTS: &[&[u8]] = &[
    b"a b",
    b"a\tb",
    b"a, b",
    b"a,b",
    b"a,",
    b"http://a",
    b"a/",
    b"a/b",
    b"a?b",
    b"a#b",
    b"u@a",
    b"u:p@a",
    b"@a",
    b"a\\b",
    b"a:80:80",
    b"a:b",
    b"a:-1",
    b"a:+80",
    b"a:8 0",
    b"a:65536",
    b"a:99999999999",
    b":80",
    b":",
    b"::1",
    b"[::1",
    b"::1]",
    b"[]",
    b"[]:80",
    b"[a]",
    b"[127.0.0.1]",
    b"[::1]80",
    b"[::1]:x",
    b"[::1]:65536",
    b"[::1]a",
    b"[::1][::1]",
    b"[fe80::1%25eth0]",
    b"[fe80::1%eth0]",
    b"[v1.a]",
    b"[12345::]",
    b"[1:2:3:4:5:6:7:8:9]",
    b"[ ::1]",
    b"a[::1]",
    b"a%",
    b"a%2",
    b"a%zz",
    b"\"a\"",
    b"<a>",
    b"a|b",
    b"a^b",
    b"a`b",
    b"{a}",
    b"m\xc3\xbcnchen.example",
    b"\xff",
];

#[track_caller]
fn check(wire: &[u8], status: u16, words: &str, section: &str) {
    let (transcript, refusal) = read_refused(wire);
    assert_eq!(refusal.status, status, "{refusal} ({section}): {}", wire.escape_ascii());
    assert!(refusal.why.contains(words), "{refusal}, not {words:?}: {}", wire.escape_ascii());
    assert!(transcript.messages.is_empty(), "something was served: {}", wire.escape_ascii());
}

#[test]
fn first_lines_are_refused() {
    for &(line, status, words, section) in FIRST_LINES {
        check(&[line, b"\r\nHost: a\r\n\r\n"].concat(), status, words, section);
    }
}

#[test]
fn first_lines_are_refused_behind_another_request_too() {
    for &(line, status, words, section) in FIRST_LINES {
        let wire = [crate::wire::NEXT, line, b"\r\nHost: a\r\n\r\n"].concat();
        let (transcript, refusal) = read_refused(&wire);
        assert_eq!(refusal.status, status, "({section}): {}", wire.escape_ascii());
        assert!(refusal.why.contains(words) && transcript.messages.len() == 1);
    }
}

#[test]
fn fields_are_refused_wherever_they_stand() {
    for &(lines, status, words, section) in FIELDS {
        check(&[b"POST / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n\r\n"].concat(), status, words, section);
        check(
            &[b"POST / HTTP/1.1\r\nHost: a\r\nA: b\r\n", lines, b"\r\n\r\n"].concat(),
            status,
            words,
            section,
        );
        if !lines.windows(4).any(|four| four == b"\r\n\r\n") {
            let last = [b"POST / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\nA: b\r\n\r\n"].concat();
            check(&last, status, words, section);
        }
    }
}

#[test]
fn hosts_are_refused_in_either_version_and_in_targets() {
    for &host in HOSTS {
        let text = host.escape_ascii();
        for version in ["1.1", "1.0", "1.7"] {
            let line = format!("GET / HTTP/{version}\r\nHost: ");
            check(&[line.as_bytes(), host, b"\r\n\r\n"].concat(), 400, "malformed Host", "3.2");
        }
        // In a target, bytes that would end the host make another target of it.
        if host.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(byte)) {
            let wire = [b"GET http://", host, b"/ HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            check(&wire, 400, "target with a malformed host", &format!("3.2.2 {text}"));
        }
    }
}

#[test]
fn http_1_1_without_a_host_is_refused() {
    for line in ["GET / HTTP/1.1", "GET / HTTP/1.2", "GET http://a/ HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        check(format!("{line}\r\n\r\n").as_bytes(), 400, "no Host", "3.2");
        check(format!("{line}\r\nX-Host: a\r\n\r\n").as_bytes(), 400, "no Host", "3.2");
    }
}

#[test]
fn http_1_0_may_leave_the_host_out_and_not_repeat_it() {
    check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one Host", "3.2");
    check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "more than one Host", "3.2");
}

#[test]
fn http_1_0_has_no_transfer_codings() {
    for fields in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Connection: keep-alive\r\nTransfer-Encoding: chunked",
    ] {
        let wire = format!("POST / HTTP/1.0\r\nHost: a\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        check(wire.as_bytes(), 400, "in an HTTP/1.0 request", "6.1");
    }
}

#[test]
fn the_list_is_long() {
    assert!(FIRST_LINES.len() + FIELDS.len() + HOSTS.len() >= 250);
}
