//! A server in a process of its own: its address, its CPU time, its memory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::servers::{Result, Server, Start};

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    clock: ClockId,
    /// Kept open, so that the server may go on printing.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the server, on the last processor that this process may use, and waits for its address.
    pub(crate) fn start(server: &Server) -> Result<Self> {
        let mut command = match &server.start {
            Start::Here(_) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", &server.name]);
                command
            }
            Start::Command(words) => {
                let (program, arguments) = words.split_first().ok_or("no command")?;
                let mut command = Command::new(program);
                command.args(arguments).env("NODE_PATH", node_path());
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = on_processor(Side::Server, || command.spawn())??;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let port = line
            .trim()
            .trim_end_matches('/')
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            return Err(format!("it has not said where it listens, but {line:?}").into());
        };
        Ok(Self {
            address: ([127, 0, 0, 1], port).into(),
            clock: clock_getcpuclockid(Pid::from_raw(i32::try_from(child.id())?))?,
            child,
            _stdout: stdout,
        })
    }

    /// The CPU time that it has used, in user mode and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .ok_or("no VmRSS")?;
        Ok(kilobytes.trim().parse::<u64>()? << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `ws` is, as `interop/run` installs it, unless the environment says something else.
fn node_path() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/interop/node/node_modules");
    std::env::var_os("NODE_PATH").map_or_else(|| PathBuf::from(installed), PathBuf::from)
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Does something on the first processor (the client's) or on the last one (the servers'), where there are several. What is
/// spawned there stays there.
pub(crate) fn on_processor<T>(side: Side, act: impl FnOnce() -> T) -> Result<T> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut usable = (0..CpuSet::count()).filter(|cpu| before.is_set(*cpu).unwrap_or(false));
    let chosen = match side {
        Side::Client => usable.next(),
        Side::Server => usable.next_back(),
    };
    let mut only = CpuSet::new();
    only.set(chosen.ok_or("no processor")?)?;
    sched_setaffinity(this, &only)?;
    let done = act();
    sched_setaffinity(this, &before)?;
    Ok(done)
}
