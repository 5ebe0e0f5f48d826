//! `chat`: what the documentation's servlet does, and four of the classic bugs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::spawn;

use crate::chat::sender::{Queue, Word};
use crate::chat::{Chat, serve};
use crate::running::Running;
use crate::support::{PATIENCE, Peer, get};

/// `chat`, and the queue of its sender.
struct Server {
    running: Running<Chat>,
    queue: Arc<Queue>,
}

impl Server {
    #[track_caller]
    fn start() -> Server {
        let chat = Chat::default();
        let queue = Arc::clone(&chat.queue);
        Server { running: Running::start(move |ready| serve("127.0.0.1:0", chat, ready)), queue }
    }

    #[track_caller]
    fn ask(&self, bytes: &str) -> Peer {
        Peer::ask(self.running.address, bytes)
    }

    /// A peer that hears everything, and has heard that it is here.
    #[track_caller]
    fn listen(&self, user: &str) -> Peer {
        let mut peer = self.ask(&get(&format!("/chat?user={user}"), ""));
        peer.until("<title>Chat</title>");
        peer.until(&format!("<i>{user} has joined</i><br>\n"));
        peer
    }

    /// The same, of a peer that is about to say something.
    #[track_caller]
    fn talk(&self, user: &str) -> Peer {
        let mut peer = self.ask(&format!(
            "POST /chat?user={user} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        peer.until(&format!("<i>{user} has joined</i><br>\n"));
        peer
    }

    /// Posts a body with a length, which has to be taken.
    #[track_caller]
    fn post(&self, user: &str, body: &str) {
        let mut peer = self.ask(&post(&format!("/chat?user={user}"), "Content-Type: text/plain\r\n", body));
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    }

    #[track_caller]
    fn who(&self) -> String {
        let answer = self.ask(&get("/chat?who", "Connection: close\r\n")).drain().expect("a whole answer");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    /// How many peers the engine finds blocked now.
    #[track_caller]
    fn blocked(&self) -> usize {
        let (told, blocked) = channel();
        let post =
            self.running.remote.post(move |_, core| told.send(core.blocked()).expect("the test waits"));
        assert!(post.is_ok());
        blocked.recv_timeout(PATIENCE).expect("the command is carried out")
    }
}

fn post(path: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn a_document_begins_and_everybody_hears_what_anybody_says() {
    let server = Server::start();
    let mut ann = server.ask(&get("/chat?user=ann", ""));
    let head = ann.until("\r\n\r\n");
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(ann.until("<body").contains("<!doctype html>\n<html><head>"));
    let mut bob = server.listen("bob");
    server.post("eve", "Hello");
    let form = post("/chat?user=bob", FORM, "message=caf%C3%A9+au+lait&more=less");
    assert!(server.ask(&form).until("\r\n\r\n").starts_with("HTTP/1.1 204 "));
    for peer in [&mut ann, &mut bob] {
        peer.until("\r\n[eve]: Hello<br>\n");
        peer.until("\r\n[bob]: café au lait<br>\n");
    }
}

#[test]
fn a_line_is_a_message_however_a_long_request_is_cut() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let mut bob = server.talk("bob");
    ann.until("bob has joined</i><br>\n");
    // Half a line waits, and holds up nobody.
    bob.send(&chunk("one\ntwo\nhalf a "));
    ann.until("[bob]: one<br>\n");
    ann.until("[bob]: two<br>\n");
    server.post("eve", "meanwhile");
    assert!(!ann.until("[eve]: meanwhile<br>\n").contains("half"));
    bob.send(&chunk("line\r\n\n"));
    ann.until("[bob]: half a line<br>\n");
    // A character in two chunks, and a chunk in two segments.
    let (size, rest) = ("2\r\n\u{e9}\r\n").split_at(3);
    bob.send("1\r\n>\r\n");
    bob.send(size);
    bob.send(rest);
    bob.send(&chunk("\n"));
    ann.until("[bob]: &gt;\u{e9}<br>\n");
    bob.until("[bob]: &gt;\u{e9}<br>\n");
}

#[test]
fn who_ends_the_body_hears_all_and_leaves_with_the_end_tags() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let mut bob = server.talk("bob");
    bob.send(&(chunk("a\nb\nlast words") + "0\r\n\r\n"));
    let heard = bob.until("0\r\n\r\n");
    for line in ["[bob]: a<br>", "[bob]: b<br>", "[bob]: last words<br>", "<i>you have left</i><br>"] {
        assert!(heard.contains(line), "no {line} in {heard}");
    }
    assert!(heard.ends_with("</body></html>\n\r\n0\r\n\r\n"), "{heard}");
    ann.until("[bob]: last words<br>\n");
    ann.until("<i>bob has left</i><br>\n");
    // The connection is back.
    bob.send(&get("/chat?who", ""));
    bob.until("\r\n\r\nann\n");
}

#[test]
fn who_ends_the_body_and_sends_no_more_hears_all_the_same() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let mut bob = server.talk("bob");
    bob.send(&(chunk("a\nb\nlast words") + "0\r\n\r\n"));
    bob.finish();
    let heard = bob.drain().expect("a clean end");
    for line in ["[bob]: a<br>", "[bob]: b<br>", "[bob]: last words<br>", "<i>you have left</i><br>"] {
        assert!(heard.contains(line), "no {line} in {heard}");
    }
    assert!(heard.ends_with("</body></html>\n\r\n0\r\n\r\n"), "{heard}");
    ann.until("[bob]: last words<br>\n");
    ann.until("<i>bob has left</i><br>\n");
    assert_eq!(server.who(), "ann\n");
    // Who does not even wait for that is not kept either.
    let mut eve = server.talk("eve");
    eve.send(&(chunk("bye") + "0\r\n\r\n"));
    drop(eve);
    ann.until("[eve]: bye<br>\n");
    ann.until("<i>eve has left</i><br>\n");
}

#[test]
fn a_newcomer_hears_what_was_said_before() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    server.post("bob", "first\nsecond");
    ann.until("second<br>\n");
    let mut late = server.ask(&get("/chat?user=late", ""));
    let heard = late.until("<i>late has joined</i><br>\n");
    let order = ["<title>", "ann has joined", "[bob]: first", "[bob]: second", "late has joined"];
    let places: Vec<_> = order.iter().map(|text| heard.find(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{heard}");
}

#[test]
fn who_is_here_is_told_by_name() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let mut again = server.ask(&get("/chat?user=ann", ""));
    again.until("<title>");
    let bob = server.listen("bob");
    ann.until("bob has joined</i><br>\n");
    assert_eq!(server.who(), "ann (2)\nbob\n");
    drop(bob);
    assert!(!ann.until("bob has left</i><br>\n").contains("ann"), "a second window is no news");
    assert_eq!(server.who(), "ann (2)\n");
    drop(again);
    // Names are cleaned, and who gives none gets one.
    server.ask(&get("/chat?user=%3Cb%3E%5Beve%5D:%20%0a", "")).until("<title>");
    let mut guest = server.ask(&get("/chat", ""));
    guest.until("<title>");
    ann.until("<i>beve has joined</i>");
    ann.until("<i>guest-1 has joined</i>");
}

#[test]
fn a_shutdown_lets_what_was_said_be_heard_and_ends_every_document() {
    let mut server = Server::start();
    let mut peers = [server.listen("ann"), server.talk("bob"), server.listen("eve")];
    server.post("bob", "the end");
    server.queue.add(Word::Stop);
    for peer in &mut peers {
        let heard = peer.drain().expect("a clean end");
        assert!(heard.contains("[bob]: the end<br>\n"), "{heard}");
        assert!(heard.ends_with("</body></html>\n\r\n0\r\n\r\n"), "{heard}");
    }
    server.running.wait();
}

#[test]
fn http_1_0_gets_a_bare_document() {
    let server = Server::start();
    let mut old = server.ask("GET /chat?user=old HTTP/1.0\r\n\r\n");
    assert!(old.until("\r\n\r\n").contains("Connection: close\r\n"));
    server.post("bob", "Hello");
    old.until("\n[bob]: Hello<br>\n");
}

#[test]
fn a_line_that_is_too_long_ends_the_talk_and_says_why() {
    let server = Server::start();
    let mut bob = server.talk("bob");
    bob.send(&(chunk("short\n") + &chunk(&"x".repeat(4_097))));
    let heard = bob.until("0\r\n\r\n");
    assert!(heard.contains("<i>a line has at most 4096 bytes</i>"), "{heard}");
    assert!(heard.ends_with("</body></html>\n\r\n0\r\n\r\n"), "{heard}");
}

#[test]
fn much_that_is_said_at_once_is_heard_whole_and_in_order() {
    // Three times what a ring holds, and less than the kernel: an ear that is not scheduled for a while is not one who does not read.
    const LINES: usize = 3_000;
    let server = Server::start();
    let ears = ["ann", "eve"].map(|user| {
        let mut peer = server.listen(user);
        spawn(move || peer.until(&format!("[bob]: line {}<br>\n", LINES - 1)))
    });
    // He listens while he talks, or he would be one who does not read.
    let mut bob = TcpStream::connect(server.running.address).expect("somebody listens");
    let mut bobs_ear = bob.try_clone().expect("a descriptor is left");
    let echo = spawn(move || {
        let mut heard = String::new();
        bobs_ear.read_to_string(&mut heard).map(|_| heard)
    });
    let lines: Vec<String> = (0..LINES).map(|n| format!("line {n}\n")).collect();
    let body: String = lines.chunks(1_000).map(|lines| chunk(&lines.concat())).collect();
    // All at once, which is more than the queue has room for: he is not read while it is full.
    let head =
        "POST /chat?user=bob HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    bob.write_all((head.to_owned() + &body + "0\r\n\r\n").as_bytes()).expect("he is read to the end");
    let heard = echo.join().expect("the ear does not panic").expect("a clean end");
    assert!(
        heard.ends_with("<i>you have left</i><br>\n\r\nf\r\n</body></html>\n\r\n0\r\n\r\n"),
        "he hears all of it"
    );
    for ear in ears {
        let heard = ear.join().expect("all of it comes");
        assert!(!heard.contains("no longer held"), "something was missed");
        let numbers =
            heard.lines().filter_map(|line| line.strip_prefix("[bob]: line ")?.strip_suffix("<br>"));
        assert!(numbers.eq((0..LINES).map(|n| n.to_string())), "something is missing or out of order");
    }
}

#[test]
fn what_cannot_be_said_is_told_why() {
    let server = Server::start();
    let text = "Content-Type: text/plain\r\n";
    let many = "x\n".repeat(65);
    for (request, status, why) in [
        (get("/nothing", ""), 404, "only / and /chat"),
        (get("/chat?user=%zz", ""), 400, "percent"),
        (post("/chat", text, ""), 400, "nothing in it"),
        (post("/chat", text, " \r\n\n"), 400, "nothing in it"),
        (post("/chat", FORM, "text=hello"), 400, "no message"),
        (post("/chat", FORM, "message=%zz"), 400, "percent"),
        (post("/chat", text, &"x".repeat(4_097)), 413, "longer than 4096"),
        (post("/chat", text, &many), 413, "more than 64 lines"),
        (post("/chat", text, &"x".repeat(65 * 1024)), 413, "larger"),
        (post("/chat", "Content-Type: application/json\r\n", "{}"), 415, "as text"),
        (post("/chat", "Origin: http://evil.example\r\n", "hello"), 403, "elsewhere"),
        (get("/chat", "").replace("GET", "DELETE"), 405, "speak with POST"),
    ] {
        let mut peer = server.ask(&request);
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request} got {head}");
        peer.until(why);
    }
    let own = post("/chat", "Origin: http://a\r\n", "hello");
    assert!(server.ask(&own).until("\r\n\r\n").starts_with("HTTP/1.1 204 "));
    assert_eq!(server.who(), "", "nobody of these is here");
}

#[test]
fn the_page_names_its_user_and_head_enters_nobody() {
    let server = Server::start();
    let page = server.ask(&get("/?user=%22%3EBob%20B.", "Connection: close\r\n")).drain().expect("a page");
    assert!(page.contains("src=\"/chat?user=Bob+B.\"") && page.contains("action=\"/chat?user=Bob+B.\""));
    let head = get("/chat?user=bob", "Connection: close\r\n").replace("GET", "HEAD");
    assert!(server.ask(&head).drain().expect("a clean end").ends_with("\r\n\r\n"));
    assert_eq!(server.who(), "");
}

// ---- the classic bugs

#[test]
fn classic_bug_3_no_wake_up_is_lost() {
    // Two queues play ball: one who waits for a ball that is there already waits for ever, and with him the other.
    const ROUNDS: usize = 20_000;
    let (there, back) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
    let user: Arc<str> = "bob".into();
    let (ended, has_ended) = channel();
    let other = {
        let (there, back, user) = (Arc::clone(&there), Arc::clone(&back), Arc::clone(&user));
        spawn(move || {
            while let Some(words) = there.take() {
                words.iter().for_each(|_| back.say(&user, &["back"]).expect("there is room"));
            }
        })
    };
    spawn(move || {
        for round in 0..ROUNDS {
            there.say(&user, &[&round.to_string()]).expect("there is room");
            assert_eq!(back.take().map(|words| words.len()), Some(1));
        }
        there.close();
        ended.send(other.join()).expect("the test waits");
    });
    let outcome = has_ended.recv_timeout(PATIENCE).expect("nobody waits for what is there");
    assert!(outcome.is_ok());
    // A close is such a ball too, and one that came before anybody waited.
    let queue = Queue::default();
    queue.close();
    assert_eq!(queue.take(), None);
}

#[test]
fn classic_bug_4_one_who_does_not_read_stops_nobody() {
    const POSTS: usize = 150;
    let server = Server::start();
    // Asks, and does not read: in the original the sender writes to it under the lock, and stands.
    let mut slow = server.ask(&get("/chat?user=slow", ""));
    let mut ann = server.listen("ann");
    let line = "x".repeat(1_000);
    for number in 0..POSTS {
        // All that the kernel and the ring hold, and more.
        let body = format!("{line}\n").repeat(60) + &format!("post {number}");
        loop {
            let request = post("/chat?user=bob", "Content-Type: text/plain\r\n", &body);
            let head = server.ask(&request).until("\r\n\r\n");
            if head.starts_with("HTTP/1.1 204 ") {
                break;
            }
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        }
        let heard = ann.until(&format!("[bob]: post {number}<br>\n"));
        assert!(heard.matches(&line).count() == 60 && !heard.contains("no longer held"));
    }
    assert_eq!(server.blocked(), 1);
    // The list's lock is what a newcomer needs there, and an end.
    drop(server.listen("late"));
    ann.until("late has left</i><br>\n");
    // When it reads again it is told what it has missed, and goes on.
    slow.until("<i>what was said before is no longer held</i><br>\n");
    slow.until(&format!("[bob]: post {}<br>\n", POSTS - 1));
}

#[test]
fn classic_bug_5_who_is_gone_is_not_in_the_list() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let (gone, reset, mut torn) = (server.listen("gone"), server.listen("reset"), server.talk("torn"));
    torn.send("8\r\nhalf");
    drop(gone);
    ann.until("gone has left</i><br>\n");
    reset.reset();
    ann.until("reset has left</i><br>\n");
    drop(torn);
    ann.until("torn has left</i><br>\n");
    assert_eq!(server.who(), "ann\n");
    // Nor in the engine's: the next message goes to one.
    let (told, subscribers) = channel();
    let published = server.running.remote.post(move |_, core| {
        let published = core.publish("said", encke::Message::new("[bob]: anybody here?"));
        told.send(published.map(|published| published.subscribers)).expect("the test waits");
    });
    assert!(published.is_ok());
    assert_eq!(subscribers.recv_timeout(PATIENCE), Ok(Ok(1)));
    assert!(!ann.until("anybody here?<br>\n").contains("half"));
}

#[test]
fn classic_bug_6_what_was_typed_is_text_and_no_tag() {
    let server = Server::start();
    let mut ann = server.listen("ann");
    let mut talker = server.talk("talker");
    talker.send(&chunk("<script>alert('a')</script>\n"));
    ann.until("[talker]: &lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;<br>\n");
    server.post("%3Ci%3Ebob%3C/i%3E", "</body><img src=x onerror=\"a()\">&amp;");
    ann.until("[ibobi]: &lt;/body&gt;&lt;img src=x onerror=&quot;a()&quot;&gt;&amp;amp;<br>\n");
    // And whoever comes later reads the same.
    let mut late = server.ask(&get("/chat?user=late", ""));
    let heard = late.until("late has joined</i><br>\n");
    assert!(!heard.contains("<script") && !heard.contains("<img"), "{heard}");
}
