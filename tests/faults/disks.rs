//! A disk that is full, under `examples/upload`: whoever sends too much is told so, no half of a file has a name, and the server goes on.
//!
//! The disk is a file system in memory of a fixed size, mounted in a mount namespace of the server's own: it is gone when the server is, and
//! nobody else ever sees it. That takes root, or a system that lets everybody have a user namespace; without either this fails and says so.

use std::process::Command;

use serde_json::Value;

use crate::running::{Example, path, whole};
use crate::support::{Folder, Peer};
use crate::{Form, alone, tell};

/// Mounts a disk of `$1` bytes at `$2`, and then becomes the command behind.
const MOUNT: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@""#;

fn put(name: &str, length: usize) -> String {
    format!("PUT /uploads/{name} HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {length}\r\n\r\n")
}

/// The names on the disk, sorted. It is looked at through the server, in whose namespace alone it is mounted.
#[track_caller]
fn names(upload: &Example, folder: &Folder) -> Vec<String> {
    let seen = format!("/proc/{}/root{}", upload.id(), folder.text(""));
    let entries = std::fs::read_dir(&seen).unwrap_or_else(|error| panic!("{seen}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_is_told_leaves_no_half_file_and_takes_nobody_along() {
    let _alone = alone();
    let form = Form::of_this_run();
    let (disk, greedy) = (form.pick(1 << 20, 64 << 20), form.pick(4, 20));
    let folder = Folder::new("disks");
    let size = disk.to_string();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", &size, &folder.text("")]);
    command.arg(path("upload"));
    let upload = Example::spawn(
        command,
        "upload, on a disk of its own, which takes root or user namespaces",
        &["--folder", &folder.text("")],
    );

    // Each of them fits, and all together do not.
    let large = "x".repeat(disk * 3 / 4);
    let mut peers: Vec<Peer> = (0..greedy)
        .map(|number| Peer::ask(upload.address, &put(&format!("large{number}"), large.len())))
        .collect();
    // Who is told that there is no room may be told before it has sent everything.
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let senders: Vec<_> = peers
            .iter_mut()
            .map(|peer| {
                scope.spawn(|| {
                    let _ = peer.try_send(&large);
                    whole(peer)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("everybody is answered")).collect()
    });
    let (mut kept, mut told) = (Vec::new(), 0);
    for (number, (status, answer)) in answers.iter().enumerate() {
        match status {
            201 => kept.push(format!("large{number}")),
            507 => {
                assert_eq!(answer["error"], "the disk is full");
                told += 1;
            }
            _ => panic!("{status}: {answer}"),
        }
    }
    assert!(told > 0 && kept.len() <= 1, "{answers:?}");
    kept.sort();
    assert_eq!(names(&upload, &folder), kept, "whole files, and nothing of the others");
    // A small one still finds room, and is kept whole.
    let mut peer = Peer::ask(upload.address, &put("small", 10_000));
    peer.send(&"y".repeat(10_000));
    assert_eq!(whole(&mut peer).0, 201);
    assert!(names(&upload, &folder).contains(&"small".to_owned()));
    // One that is larger than the disk is told so too.
    let mut peer = Peer::ask(upload.address, &put("larger", 2 * disk));
    let _ = peer.try_send(&"z".repeat(2 * disk));
    assert_eq!(whole(&mut peer).0, 507);
    kept.push("small".to_owned());
    assert_eq!(names(&upload, &folder), kept);
    tell(
        "a full disk",
        format_args!(
            "{greedy} uploads of {} KiB to a disk of {} KiB: {told} told 507, {} kept whole, no half file, and a small one kept",
            large.len() >> 10,
            disk >> 10,
            kept.len() - 1
        ),
    );
    drop(peers);
    upload.stop();
    assert!(upload.wait().success());
}
