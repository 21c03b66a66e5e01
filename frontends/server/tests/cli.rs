//! The built binary, as scripts use it.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Scratch, Server, address, done, fails, run, text};

#[test]
fn check_config_says_ok_or_the_wrong_key_and_line() {
    let scratch = Scratch::new();
    let path = scratch.at("crosspoint.toml");
    fs::write(&path, "domain = \"example.org\"\n\n[xmpp]\ntls = \"required\"\n").unwrap();
    assert_eq!(done(&["check-config", "--config", &path], ""), "OK\n");
    fs::write(&path, "domain = \"example.org\"\n\n[xmpp]\ntsl = \"required\"\n").unwrap();
    let said = fails(&["check-config", "--config", &path], 2);
    assert!(said.starts_with(&format!("{path}:4: xmpp.tsl: ")), "{said}");
    let said = fails(&["serve", "--config", &path], 2);
    assert!(
        said.contains(&format!("{path}:4: xmpp.tsl: ")),
        "serve refuses it, too: {said}"
    );
    assert!(
        fails(&["check-config", "--xmpp", "0.0.0.0:1", "--xmpp-tls", "off"], 2)
            .contains("command line, --xmpp-tls: xmpp.tls")
    );
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_both() {
    let scratch = Scratch::new();
    let path = scratch.at("crosspoint.toml");
    fs::write(&path, "shards = 1\n").unwrap();
    let output = common::crosspoint(&["check-config", "--config", &path])
        .env("CROSSPOINT_SHARDS", "none")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("environment, CROSSPOINT_SHARDS: shards: "),
        "{}",
        text(&output.stderr)
    );
    let output = common::crosspoint(&["check-config"])
        .env("CROSSPOINT_CONFIG", &path)
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn accounts_are_managed_while_no_server_runs() {
    let scratch = Scratch::new();
    let data = scratch.at("data");
    assert_eq!(
        done(&["user", "add", "--data", &data, "romeo@localhost"], "secret\n"),
        "romeo@localhost can log in\n"
    );
    assert!(fails(&["user", "add", "--data", &data, "romeo@localhost"], 1).contains("the password is empty"));
    let again = run(&["user", "add", "--data", &data, "romeo@localhost"], "other\n");
    assert!(
        text(&again.stderr).contains("exists already"),
        "{}",
        text(&again.stderr)
    );
    done(&["user", "passwd", "--data", &data, "romeo@localhost"], "other\n");
    assert_eq!(done(&["user", "list", "--data", &data], ""), "romeo@localhost\n");
    done(&["user", "del", "--data", &data, "romeo@localhost"], "");
    assert_eq!(done(&["user", "list", "--data", &data], ""), "");
}

#[test]
fn an_import_names_the_lines_that_it_refuses() {
    let scratch = Scratch::new();
    let (data, csv) = (scratch.at("data"), scratch.at("users.csv"));
    fs::write(
        &csv,
        "jid,password\nromeo@localhost,\"with, comma\"\nnobody\njuliet@localhost,pass\n",
    )
    .unwrap();
    let output = run(&["user", "import", "--data", &data, &csv], "");
    assert_eq!(output.status.code(), Some(3), "some were refused");
    assert!(
        text(&output.stderr).contains("users.csv:3: expected two columns"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stdout).starts_with("2 accounts imported, 1 rows refused"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(
        done(&["user", "list", "--data", &data, "--limit", "1"], ""),
        "juliet@localhost\n"
    );
    assert_eq!(
        done(&["user", "list", "--data", &data, "--after", "juliet@localhost"], ""),
        "romeo@localhost\n"
    );
}

#[test]
fn commands_that_need_a_server_say_so() {
    let scratch = Scratch::new();
    let data = scratch.at("data");
    for command in ["status", "drain"] {
        assert!(
            fails(&[command, "--data", &data], 1).contains("no server runs on"),
            "{command}"
        );
    }
    assert!(fails(&["user", "list", "--data", &data], 1).contains("there is no data folder"));
}

#[test]
fn accounts_are_managed_while_the_server_runs_and_a_drain_ends_it() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &[]);
    let data = server.data();
    server.add_user("romeo@localhost", "secret");
    let csv = scratch.at("users.csv");
    fs::write(&csv, "juliet@localhost,pass\nromeo@localhost,pass\n").unwrap();
    let output = run(&["user", "import", "--data", &data, &csv], "");
    assert!(
        text(&output.stderr).contains("users.csv:2: the account exists already"),
        "{}",
        text(&output.stderr)
    );
    done(&["user", "passwd", "--data", &data, "romeo@localhost"], "other\n");
    assert_eq!(
        done(&["user", "list", "--data", &data], ""),
        "juliet@localhost\nromeo@localhost\n"
    );
    done(&["user", "del", "--data", &data, "juliet@localhost"], "");
    assert!(fails(&["user", "del", "--data", &data, "juliet@localhost"], 1).contains("no such account"));
    assert!(fails(&["user", "add", "--data", &data, "romeo@elsewhere"], 1).contains("not of the domain"));

    let status: serde_json::Value = serde_json::from_str(&done(&["status", "--data", &data, "--json"], "")).unwrap();
    assert_eq!(
        (&status["domain"], &status["stage"]),
        (&"localhost".into(), &"serving".into())
    );
    assert_eq!(status["pid"], server.pid());
    assert_eq!(status["shards"].as_array().map(Vec::len), Some(2));

    assert!(done(&["drain", "--data", &data], "").contains("has ended"));
    assert_eq!(server.wait(), Some(0));
    assert_eq!(
        done(&["user", "list", "--data", &data], ""),
        "romeo@localhost\n",
        "what was done is on the disk"
    );
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &[]);
    let any = common::ANY.to_string();
    let said = fails(
        &[
            "--data",
            &server.data(),
            "--xmpp",
            &any,
            "--xmpps",
            &any,
            "--admin",
            "off",
        ],
        1,
    );
    assert!(said.contains("in use by another process"), "{said}");
    server.add_user("romeo@localhost", "secret");
}

#[test]
fn a_port_is_not_shared_with_another_server() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("one"), &[]);
    let (taken, any) = (server.xmpp.to_string(), common::ANY.to_string());
    let data = scratch.at("two");
    let said = fails(
        &["--data", &data, "--xmpp", &taken, "--xmpps", &any, "--admin", "off"],
        1,
    );
    assert!(said.contains(&format!("cannot listen on {taken}")), "{said}");
}

#[test]
fn the_banner_says_where_it_listens_and_what_to_do_next() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &["--domain", "example.org"]);
    for part in [
        "serves example.org".to_owned(),
        format!("{}, STARTTLS required", server.xmpp),
        format!("{}, direct TLS", server.xmpps),
        "self-signed".to_owned(),
    ] {
        assert!(server.banner.contains(&part), "{part} in {}", server.banner);
    }
}

#[test]
fn the_admin_port_tells_of_health_readiness_and_figures() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &["--admin", "127.0.0.1:0"]);
    let admin = address(&server.banner, "/metrics");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get("/readyz").starts_with("HTTP/1.1 200 "));
    let metrics = get("/metrics");
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    for name in [
        "crosspoint_sessions{shard=\"1\"} 0",
        "crosspoint_log_poisoned 0",
        "crosspoint_build_info{",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    assert!(get("/").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_hangup_reads_the_certificate_again_and_a_termination_drains() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &[]);
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    };
    let status = || run(&["status", "--data", &server.data()], "").status.code();
    // Even when there is nothing good to be read: the old one stays.
    fs::write(server.data.join("tls/cert.pem"), "no certificate").unwrap();
    signal("-HUP");
    assert_eq!(status(), Some(0));
    signal("-TERM");
    assert_eq!(server.wait(), Some(0));
}
