//! Passwords: the file, the service and the gate, by nc, the lecture's client and
//! `wharf connect`.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ended, Process, Server, Stream, lecture, run, wharf};

/// A users file with ann, in a folder of its own.
struct Users {
    folder: tempfile::TempDir,
}

impl Users {
    fn of_ann() -> Users {
        let users = Users {
            folder: tempfile::tempdir().unwrap(),
        };
        users.add(&["ann"], "open sesame");
        users
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    fn add(&self, name: &[&str], password: &str) {
        let ended = password_command("add", &self.path(), name, &format!("{password}\n"));
        assert_eq!(ended.code(), 0, "{ended:?}");
    }

    /// A file that holds the line for `--password-from`.
    fn secret(&self, line: &str) -> String {
        let path = self.folder.path().join("secret");
        std::fs::write(&path, format!("{line}\n")).unwrap();
        path.display().to_string()
    }

    fn text(&self) -> String {
        self.path().display().to_string()
    }
}

fn password_command(action: &str, file: &Path, name: &[&str], input: &str) -> Ended {
    let file = file.display().to_string();
    let mut arguments = vec!["password", action, &file];
    arguments.extend(name);
    run(&mut wharf(arguments), input)
}

fn nc(port: &str, input: &str) -> String {
    let ended = run(Command::new("nc").args(["-N", "127.0.0.1", port]), input);
    ended.stdout
}

#[test]
fn the_file_is_maintained_from_stdin_and_holds_no_password() {
    let users = Users::of_ann();
    users.add(&["ben"], "hop");
    let text = std::fs::read_to_string(users.path()).unwrap();
    let mode = std::fs::metadata(users.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        text.starts_with("ann:$argon2id$v=19$m=19456,t=2,p=1$"),
        "{text}"
    );
    assert!(!text.contains("sesame"));
    let check = |name: &str, input: &str| {
        let ended = password_command("check", &users.path(), &[name], input);
        (ended.code(), ended.stdout + &ended.stderr)
    };
    assert_eq!(
        check("ann", "open sesame\n"),
        (0, "access granted\n".to_owned())
    );
    for (name, input) in [("ann", "hop\n"), ("eve", "hop\n"), ("ann", "")] {
        assert_eq!(
            check(name, input),
            (67, "error: access denied\n".to_owned())
        );
    }
    let removed = password_command("remove", &users.path(), &["ben"], "");
    assert_eq!(
        removed.stdout,
        format!("removed ben from {}\n", users.text())
    );
    assert_eq!(check("ben", "hop\n").0, 67);
    let again = password_command("remove", &users.path(), &["anna"], "");
    assert_eq!(again.code(), 1);
    assert!(
        again.stderr.contains("try      wharf password remove"),
        "{again:?}"
    );
}

#[test]
fn what_no_file_can_hold_is_refused() {
    let users = Users::of_ann();
    let before = std::fs::read(users.path()).unwrap();
    for (name, input, expected) in [
        (&["a b"][..], "x\n", "a name has"),
        (&["a:b"], "x\n", "a name has"),
        (&["cy"], "\n", "the password is empty"),
        (
            &["cy"],
            &format!("{}\n", "x".repeat(1024)),
            "longer than 1024 bytes",
        ),
        (&[], "x\n", "one password without a name"),
    ] {
        let ended = password_command("add", &users.path(), name, input);
        assert_eq!(ended.code(), 2, "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
    assert_eq!(std::fs::read(users.path()).unwrap(), before);
}

#[test]
fn a_file_that_is_not_there_is_told_with_what_helps() {
    let users = Users::of_ann();
    let folder = users.folder.path();
    for action in ["check", "remove"] {
        let ended = password_command(action, &folder.join("user"), &["ann"], "x\n");
        assert_eq!(ended.code(), 1, "{ended:?}");
        let cure = format!("try      wharf password {action} {} ann\n", users.text());
        assert!(ended.stderr.contains(&cure), "{ended:?}");
        // Adding somebody is no way to take somebody out.
        let ended = password_command(action, &folder.join("other"), &["ann"], "x\n");
        assert!(
            ended.stderr.contains("nobody stands in a file"),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("password add"), "{ended:?}");
    }
    let ended = password_command("add", &folder.join("etc/users"), &["ann"], "x\n");
    let cure = format!("try      mkdir -p {}\n", folder.join("etc").display());
    assert!(ended.stderr.contains(&cure), "{ended:?}");
    assert!(!folder.join("user").exists() && !folder.join("other").exists());
}

#[test]
fn what_is_no_regular_file_is_refused_and_stays() {
    let users = Users::of_ann();
    let pipe = users.folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for action in ["add", "remove", "check"] {
        let ended = password_command(action, &pipe, &["ann"], "x\n");
        assert_eq!(ended.code(), 1, "{ended:?}");
        let cause = "pipe is a pipe, and users stand in a regular file";
        assert!(ended.stderr.contains(cause), "{ended:?}");
    }
    assert!(!std::fs::metadata(&pipe).unwrap().is_file());
    let pipe = pipe.display().to_string();
    let ended = run(&mut wharf(["serve", "echo", "0", "--gate", &pipe]), "");
    assert_eq!(ended.code(), 1, "{ended:?}");
}

#[test]
fn a_gate_that_nobody_can_pass_is_told() {
    let users = Users::of_ann();
    let empty = users.folder.path().join("empty");
    std::fs::write(&empty, "# nobody yet\n").unwrap();
    let empty = empty.display().to_string();
    let note = format!("nobody can come in: {empty} has no users; wharf password add {empty} NAME");
    for (service, option) in [("echo", "--gate"), ("password", "--users")] {
        let mut command = wharf(["serve", service, "tcp:127.0.0.1:0", option, &empty]);
        let mut server = Process::start(&mut command);
        server.wait_for(|_, line| line.contains(&note).then_some(()));
    }
}

#[test]
fn the_answers_are_json_when_asked_for() {
    let users = Users::of_ann();
    let path = users.text();
    let ended = run(
        &mut wharf(["--json", "password", "check", &path, "ann"]),
        "open sesame\n",
    );
    let event: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(event["event"], "password");
    assert_eq!(
        (&event["action"], &event["outcome"]),
        (&"check".into(), &"granted".into())
    );
    assert_eq!(
        (&event["file"], &event["name"]),
        (&path.into(), &"ann".into())
    );
}

#[test]
fn nc_speaks_the_dialogue_with_and_without_a_newline() {
    let users = Users::of_ann();
    let mut server = Server::start(["password", "tcp:127.0.0.1:0", "--users", &users.text()]);
    let port = server.port();
    assert_eq!(nc(&port, "ann open sesame\n"), "access granted\n");
    assert_eq!(server.closed(), "finished");
    // The support reads lines, so the missing newline does not show here.
    assert_eq!(nc(&port, "ann open sesame"), "access granted\n");
    assert_eq!(
        nc(&port, "eve open sesame\nann open sesame\n"),
        "access denied\naccess granted\n"
    );
    assert_eq!(nc(&port, "1\n2\n3\n4\n"), "access denied\n".repeat(3));
    server.process.wait_for_event("closed", |event| {
        (event["reason"] == "denied").then_some(())
    });
}

#[test]
fn the_lectures_client_gets_its_answer_with_one_recv_added() {
    let program = std::fs::read_to_string(lecture("002_tcp_client.py")).unwrap();
    let (before, after) = program
        .split_once("client.send(message.encode())\n")
        .unwrap();
    let program =
        format!("{before}client.send(message.encode())\nprint(client.recv(80).decode()){after}");
    let folder = tempfile::tempdir().unwrap();
    let client = folder.path().join("client.py");
    std::fs::write(&client, program).unwrap();
    let mut server = Server::start(["password", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let password = server.process.wait_for_event("note", |event| {
        let text = event["text"].as_str()?;
        let password = text.strip_prefix("the password of the password service is ")?;
        Some(password.to_owned())
    });
    for (said, answer) in [("sesame", "access denied"), (&password, "access granted")] {
        let mut python = Command::new("python3");
        python.arg(&client).args(["127.0.0.1", &port]);
        let ended = run(&mut python, &format!("{said}\n"));
        assert_eq!(
            ended.stdout.lines().last(),
            Some(format!("Give message : {answer}").as_str())
        );
    }
    server.process.wait_for_event("shown", |event| {
        let text = event["text"].as_str()?;
        (event["service"] == "password" && text.starts_with("let 127.0.0.1:")).then_some(())
    });
}

#[test]
fn a_made_up_password_is_told_in_every_mode() {
    for option in [&[][..], &["--quiet"]] {
        let mut command = wharf(["serve", "password", "tcp:127.0.0.1:0"]);
        let mut server = Process::start(command.args(option));
        let password = server.wait_for(|_, line| {
            let (_, password) = line.split_once("the password of the password service is ")?;
            Some(password.to_owned())
        });
        assert_eq!(password.len(), 19, "{password}");
    }
}

#[test]
fn a_gate_stands_before_echo_chat_and_a_program() {
    let users = Users::of_ann();
    let gate = users.text();
    let mut echo = Server::start(["echo", "tcp:127.0.0.1:0", "--gate", &gate]);
    let port = echo.port();
    assert_eq!(
        nc(&port, "ann open sesame\nhello\nworld\n"),
        "access granted\nhello\nworld\n"
    );
    assert_eq!(nc(&port, "hello\n"), "access denied\n");
    let mut chat = Server::start(["chat", "tcp:127.0.0.1:0", "--gate", &gate]);
    let port = chat.port();
    assert_eq!(
        nc(&port, "ann open sesame\nHELLO-FROM ann\nWHO\n"),
        "access granted\nHELLO ann\nWHO-OK echobot,delaybot,ann\n"
    );
    let mut exec = wharf([
        "--json",
        "serve",
        "exec",
        "tcp:127.0.0.1:0",
        "--gate",
        &gate,
    ]);
    let mut exec = Server {
        process: Process::start(exec.args(["--", "tr", "a-z", "A-Z"])),
    };
    let port = exec.port();
    assert_eq!(
        nc(&port, "ann open sesame\nhello\n"),
        "access granted\nHELLO\n"
    );
}

#[test]
fn connect_opens_a_gate_over_tcp_tls_and_unix() {
    let users = Users::of_ann();
    let socket = users.folder.path().join("s").display().to_string();
    let mut server = Server::start([
        "upper",
        "tcp:127.0.0.1:0",
        "tls:127.0.0.1:0,self-signed",
        &socket,
        "--gate",
        &users.text(),
    ]);
    let tcp = server.local();
    let (tls, pin) = server.process.wait_for_event("listening", |event| {
        let local = event["local"].as_str()?.to_owned();
        Some((local, event["fingerprint"].as_str()?.to_owned()))
    });
    let secret = users.secret("ann open sesame");
    for address in [tcp.clone(), format!("tls:{tls},pin={pin}"), socket] {
        let mut command = wharf(["connect", &address, "--password-from", &secret]);
        let ended = run(&mut command, "hello");
        assert_eq!(
            (ended.code(), &*ended.stdout),
            (0, "HELLO\n"),
            "{address}: {ended:?}"
        );
        assert_eq!(ended.stderr, "");
    }
    let mut command = wharf(["connect", &tcp, "--password-from", "-"]);
    let ended = run(&mut command, "ann open sesame\nthe rest\n");
    assert_eq!(ended.stdout, "THE REST\n", "{ended:?}");
    let mut command = wharf(["connect", &tcp, "--password-from", "env:SECRET"]);
    let ended = run(command.env("SECRET", "ann open sesame"), "hello");
    assert_eq!(ended.stdout, "HELLO\n", "{ended:?}");
    let mut command = wharf(["connect", &tcp, "--password-from", "-"]);
    let ended = run(&mut command, "ann wrong\nthe rest\n");
    assert_eq!((ended.code(), &*ended.stdout), (67, ""), "{ended:?}");
    assert!(ended.stderr.contains("access denied"), "{ended:?}");
}

#[test]
fn connect_says_that_there_is_no_gate_and_keeps_the_password_to_itself() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0"]);
    let address = server.local();
    let mut command = wharf(["connect", &address, "--password-from", "-"]);
    let ended = run(&mut command, "hunter2\n");
    assert_eq!((ended.code(), &*ended.stdout), (4, ""), "{ended:?}");
    assert!(ended.stderr.contains("there is no gate"), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[test]
fn a_gate_over_the_open_network_names_tls() {
    let users = Users::of_ann();
    let mut command = wharf(["serve", "echo", "all:0", "--gate", &users.text()]);
    let mut server = Process::start(&mut command);
    let row = server.wait_for(|stream, line| {
        (stream == Stream::Out && line.starts_with("echo ")).then(|| line.to_owned())
    });
    assert!(row.contains(" --password-from ask"), "{row}");
    server.wait_for(|_, line| {
        (line.contains("in the clear") && line.contains("use tls:")).then_some(())
    });
}

#[test]
fn a_gate_over_datagrams_is_refused_and_left_out_of_the_standard_set() {
    let users = Users::of_ann();
    let gate = users.text();
    let ended = run(&mut wharf(["serve", "echo", "udp::0", "--gate", &gate]), "");
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(
        ended.stderr.contains("--gate guards byte streams"),
        "{ended:?}"
    );
    let ended = run(
        &mut wharf(["connect", "udp::9", "--password-from", "-"]),
        "x\n",
    );
    assert_eq!(ended.code(), 2, "{ended:?}");
    let missing = users.folder.path().join("nobody").display().to_string();
    let ended = run(&mut wharf(["serve", "echo", "0", "--gate", &missing]), "");
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("try      wharf password add"),
        "{ended:?}"
    );
}

#[test]
fn a_running_server_hears_of_new_users() {
    let users = Users::of_ann();
    let mut server = Server::start(["password", "tcp:127.0.0.1:0", "--users", &users.text()]);
    let port = server.port();
    users.add(&["ben"], "hop");
    assert_eq!(nc(&port, "ben hop\n"), "access granted\n");
    password_command("remove", &users.path(), &["ben"], "");
    assert_eq!(nc(&port, "ben hop\n"), "access denied\n");
}

/// A terminal by expect(1): nothing of what is typed is shown, and it echoes again after.
#[test]
fn a_password_is_typed_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let script = |body: &str| {
        let wharf = env!("CARGO_BIN_EXE_wharf");
        let users = folder.path().join("users").display().to_string();
        let text = format!("set timeout 20\nset wharf {{{wharf}}}\nset users {{{users}}}\n{body}");
        let path = folder.path().join("script");
        std::fs::write(&path, text).unwrap();
        run(Command::new("expect").arg("-f").arg(&path), "")
    };
    let ended = script(
        "spawn sh -c \"$wharf password add $users ann; stty -a | grep -o -e '-*echo\\\\>'\"\n\
         expect \"New password for ann: \"\nsend \"sesamX\\177e\\r\"\n\
         expect \"Again, the password for ann: \"\nsend \"sesame\\r\"\n\
         expect eof\n",
    );
    assert!(ended.stdout.contains("added ann to"), "{ended:?}");
    assert!(!ended.stdout.contains("sesam"), "{ended:?}");
    assert!(
        ended.stdout.lines().any(|line| line.trim() == "echo"),
        "{ended:?}"
    );
    // Ctrl-C while it asks: the terminal echoes again, and nothing was changed.
    let ended = script(
        "spawn sh -c \"$wharf password add $users ben; echo code \\$?; stty -a | grep -o -e '-*echo\\\\>'\"\n\
         expect \"New password for ben: \"\nsend \"ses\\003\"\nexpect eof\n",
    );
    assert!(ended.stdout.contains("code 130"), "{ended:?}");
    assert!(
        ended.stdout.lines().any(|line| line.trim() == "echo"),
        "{ended:?}"
    );
    assert!(
        !std::fs::read_to_string(folder.path().join("users"))
            .unwrap()
            .contains("ben")
    );
}
