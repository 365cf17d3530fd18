//! A private PostgreSQL server, which can be killed and started again, and ends with the process that started it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use crate::engine::quiet_port;

/// A server of one's own, on its port and in its folder from one start to the next.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    log: PathBuf,
    // the shell behind it ends the server when this end of the pipe closes, however this process ends
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Postgres {
    /// A running server with a folder of its own.
    #[expect(clippy::zombie_processes, reason = "it ends with this process, and not before")]
    pub fn start() -> Self {
        let (binaries, port) = (binaries(), quiet_port());
        let script = format!(
            r#"set -eu
            folder=$(mktemp -d)
            echo "$folder/log"
            start() {{
                {binaries}/pg_ctl -D "$folder/data" -l "$folder/log" -w -t 60 -o "-p {port} -k $folder \
                    -c listen_addresses=127.0.0.1 -c max_connections=800 -c fsync=off -c shared_buffers=256MB" \
                    start >/dev/null 2>&1 </dev/null
            }}
            stop() {{ {binaries}/pg_ctl -D "$folder/data" -w -m fast stop >/dev/null 2>&1 </dev/null; }}
            trap 'stop || true; rm -rf "$folder"' EXIT
            {binaries}/initdb -D "$folder/data" -A trust -U postgres -E UTF8 --locale=C >"$folder/initdb.log" 2>&1
            start
            echo done
            while read -r command; do
                case $command in
                # what is left of a killed server may hold its memory for a moment
                start) until start; do sleep 0.2; done ;;
                stop) stop ;;
                kill)
                    server=$(head -n 1 "$folder/data/postmaster.pid")
                    kill -KILL "$server" $(ps -o pid= --ppid "$server")
                    while kill -0 "$server" 2>/dev/null; do sleep 0.02; done
                    ;;
                esac
                echo done
            done"#
        );
        let root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"0\n"));
        let mut command = if root {
            Command::new("runuser")
        } else {
            Command::new("bash")
        };
        if root {
            command.args(["-u", "postgres", "--", "bash"]);
        }
        let mut child = command
            .args(["-c", &script])
            .current_dir("/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut log = String::new();
        answers.read_line(&mut log).unwrap();
        let mut server = Self {
            port,
            log: PathBuf::from(log.trim()),
            commands: child.stdin.take().unwrap(),
            answers,
        };
        server.answered();
        server
    }

    /// The URL without a database, of the superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often its log says this.
    pub fn said(&self, what: &str) -> usize {
        std::fs::read_to_string(&self.log).unwrap().matches(what).count()
    }

    /// SIGKILL for the server and all its processes, as when the machine fails.
    pub fn kill(&mut self) {
        self.tell("kill");
    }

    /// Ends all sessions and stops in order.
    pub fn stop(&mut self) {
        self.tell("stop");
    }

    /// Starts it again on its data; returns when it takes connections.
    pub fn start_again(&mut self) {
        self.tell("start");
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
        self.answered();
    }

    fn answered(&mut self) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "PostgreSQL does not run ({})", binaries());
    }
}

fn binaries() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres-bin");
    let output = Command::new(script).output().unwrap();
    assert!(
        output.status.success(),
        "no PostgreSQL 14 or newer: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
